#include "layer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "dma.h"
#include "fault.h"
#include "l1_arena.h"
#include "stats.h"

static struct {
  const pulp_layer_info_t *info; /* NULL outside of a layer */
  const pulp_l2_range_t *l2;
  unsigned n_l2;
} current;

void pulp_layer_fault(const char *command, const char *format, ...) {
  char message[384];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof(message), format, args);
  va_end(args);
  if (current.info) {
    pulp_fault(PULP_EXIT_FAULT, "layer '%s': %s: %s", current.info->name, command, message);
  }
  pulp_fault(PULP_EXIT_FAULT, "%s: %s", command, message);
}

void pulp_require_core_0(const char *command) {
  if (pulp_core_id() != 0) {
    pulp_layer_fault(command, "called by core %u, only core 0 may", pulp_core_id());
  }
}

void pulp_layer_begin(const pulp_layer_info_t *layer, const pulp_l2_range_t *l2, unsigned n_l2) {
  pulp_require_core_0("pulp_layer_begin");
  if (current.info) {
    pulp_layer_fault("pulp_layer_begin", "layer '%s' begins before this one ends", layer->name);
  }
  current.info = layer;
  current.l2 = l2;
  current.n_l2 = n_l2;
  for (unsigned i = 0; i < layer->n_l1; i++) {
    const pulp_l1_range_t *const range = &layer->l1[i];
    if ((uint64_t)range->offset + range->size > pulp_l1_size()) {
      pulp_layer_fault("pulp_layer_begin",
                       "L1 range '%s' [%" PRIu32 ", %" PRIu64 ") leaves the arena of %" PRIu32 " bytes",
                       range->name, range->offset, (uint64_t)range->offset + range->size, pulp_l1_size());
    }
  }
  pulp_stats_begin_layer(layer);
}

void pulp_layer_end(void) {
  pulp_require_core_0("pulp_layer_end");
  if (!current.info) {
    pulp_layer_fault("pulp_layer_end", "called outside of a layer");
  }
  pulp_dma_require_idle();
  current.info = NULL;
}

static void check_l1(const char *command, const void *l1, uint64_t bytes) {
  const int64_t begin = pulp_l1_offset(l1);
  const int64_t end = begin + (int64_t)bytes;
  for (unsigned i = 0; i < current.info->n_l1; i++) {
    const pulp_l1_range_t *const range = &current.info->l1[i];
    if (begin >= (int64_t)range->offset && end <= (int64_t)range->offset + range->size) {
      return;
    }
  }
  pulp_layer_fault(command, "L1 bytes [%" PRId64 ", %" PRId64 ") are in no L1 range of the layer", begin,
                   end);
}

/* How far byte `offset` of a range is from it, 0 inside. */
static int64_t distance(int64_t offset, int64_t size) {
  return offset < 0 ? -offset : offset < size ? 0 : offset - size + 1;
}

/* The message names the range that is nearest to the command's first byte. */
static void check_l2(const char *command, const void *l2, uint64_t bytes) {
  const pulp_l2_range_t *nearest = NULL;
  int64_t nearest_begin = 0;
  for (unsigned i = 0; i < current.n_l2; i++) {
    const pulp_l2_range_t *const range = &current.l2[i];
    const int64_t begin = (int64_t)(uintptr_t)l2 - (int64_t)(uintptr_t)range->base;
    if (begin >= 0 && begin + (int64_t)bytes <= (int64_t)range->size) {
      return;
    }
    if (!nearest || distance(begin, range->size) < distance(nearest_begin, nearest->size)) {
      nearest = range;
      nearest_begin = begin;
    }
  }
  if (!nearest) {
    pulp_layer_fault(command, "the layer has no L2 ranges");
  }
  pulp_layer_fault(command, "L2 bytes [%" PRId64 ", %" PRId64 ") of '%s' leave its %" PRIu32 " bytes",
                   nearest_begin, nearest_begin + (int64_t)bytes, nearest->name, nearest->size);
}

void pulp_layer_check(const char *command, const void *l1, uint64_t l1_bytes, const void *l2,
                      uint64_t l2_bytes) {
  pulp_require_core_0(command);
  if (!current.info) {
    pulp_layer_fault(command, "called outside of a layer");
  }
  check_l1(command, l1, l1_bytes);
  check_l2(command, l2, l2_bytes);
}

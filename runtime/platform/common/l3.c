/* pulp_l3_* on platforms whose memories are one address space: the same rules as for the DMA. With
 * PULP_DMA=late a transfer happens when it, or a later one, is waited for; until then its destination holds
 * poison. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "dma.h"
#include "fault.h"
#include "l1_arena.h"
#include "layer.h"
#include "pulp_runtime.h"
#include "stats.h"

enum { WORD = 4 };

typedef struct {
  uint8_t *to;
  const uint8_t *from;
  uint32_t bytes;
} transfer_t;

/* Only core 0 comes here. Jobs done + 1 .. last are under way, job n in slot n % PULP_L3_MAX_JOBS. */
static struct {
  const pulp_l2_range_t *l2, *l3;
  unsigned n_l3;
  int open;
  transfer_t pending[PULP_L3_MAX_JOBS];
  pulp_l3_job_t done, last;
} queue;

void pulp_l3_begin(const pulp_l2_range_t *l2, const pulp_l2_range_t *l3, unsigned n_l3) {
  pulp_require_core_0("pulp_l3_begin");
  if (queue.open) {
    pulp_layer_fault("pulp_l3_begin", "called twice without pulp_l3_end");
  }
  queue.l2 = l2;
  queue.l3 = l3;
  queue.n_l3 = n_l3;
  queue.open = 1;
}

void pulp_l3_end(void) {
  pulp_require_core_0("pulp_l3_end");
  if (queue.last != queue.done) {
    pulp_layer_fault("pulp_l3_end", "%" PRIu32 " transfers are not waited for", queue.last - queue.done);
  }
  queue.open = 0;
}

static int inside(const pulp_l2_range_t *range, const void *address, uint32_t bytes) {
  const uintptr_t base = (uintptr_t)range->base, at = (uintptr_t)address;
  return at >= base && at - base <= range->size && bytes <= range->size - (at - base);
}

static int in_l3(const void *address, uint32_t bytes) {
  for (unsigned i = 0; i < queue.n_l3; i++) {
    if (inside(&queue.l3[i], address, bytes)) {
      return 1;
    }
  }
  return 0;
}

static void check(const char *command, const void *l2, const void *l3, uint32_t bytes) {
  pulp_require_core_0(command);
  if (!queue.open) {
    pulp_layer_fault(command, "called outside of pulp_l3_begin and pulp_l3_end");
  }
  if (!bytes || bytes % WORD || (uintptr_t)l2 % WORD || (uintptr_t)l3 % WORD) {
    pulp_layer_fault(command, "%" PRIu32 " bytes, or their addresses, are no whole words", bytes);
  }
  if (!inside(queue.l2, l2, bytes)) {
    pulp_layer_fault(command, "%" PRIu32 " bytes leave the region's %" PRIu32 " bytes in L2", bytes,
                     queue.l2->size);
  }
  if (!in_l3(l3, bytes)) {
    pulp_layer_fault(command, "%" PRIu32 " bytes are in no L3 range of the region", bytes);
  }
  if (queue.last - queue.done == PULP_L3_MAX_JOBS) {
    pulp_layer_fault(command, "more than %u transfers under way", PULP_L3_MAX_JOBS);
  }
}

static void execute(const transfer_t *t) {
  if (!pulp_dma_is_early()) {
    memcpy(t->to, t->from, t->bytes);
  }
}

static pulp_l3_job_t issue(transfer_t transfer, pulp_dma_direction_t direction) {
  pulp_stats_count(direction, 1, transfer.bytes);
  if (pulp_dma_is_early()) {
    memcpy(transfer.to, transfer.from, transfer.bytes);
  } else {
    memset(transfer.to, PULP_POISON, transfer.bytes);
  }
  queue.last++;
  queue.pending[queue.last % PULP_L3_MAX_JOBS] = transfer;
  return queue.last;
}

pulp_l3_job_t pulp_l3_load(void *l2, const void *l3, uint32_t bytes) {
  check("pulp_l3_load", l2, l3, bytes);
  return issue((transfer_t){l2, l3, bytes}, PULP_L3_TO_L2);
}

pulp_l3_job_t pulp_l3_store(void *l3, const void *l2, uint32_t bytes) {
  check("pulp_l3_store", l2, l3, bytes);
  return issue((transfer_t){l3, l2, bytes}, PULP_L2_TO_L3);
}

void pulp_l3_wait(pulp_l3_job_t job) {
  pulp_require_core_0("pulp_l3_wait");
  if (job > queue.last) {
    pulp_layer_fault("pulp_l3_wait", "there is no job %" PRIu32 ", the last one is %" PRIu32, job,
                     queue.last);
  }
  while (queue.done < job) {
    queue.done++;
    execute(&queue.pending[queue.done % PULP_L3_MAX_JOBS]);
  }
}

#include "dma.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"
#include "fault.h"
#include "l1_arena.h"
#include "layer.h"
#include "stats.h"

typedef struct {
  pulp_dma_job_t job;
  const char *command;
  pulp_dma_direction_t direction;
  pulp_l1_layout_t layout;
  pulp_box_t box;
  uint8_t *to;
  const uint8_t *from;
} transfer_t;

/* Only core 0 comes here. */
static struct {
  transfer_t pending[PULP_DMA_MAX_JOBS];
  unsigned n_pending;
  pulp_dma_job_t last_job;
} dma;

int pulp_dma_is_early(void) {
  const char *const mode = getenv("PULP_DMA");
  if (!mode || !strcmp(mode, "late")) {
    return 0;
  }
  if (strcmp(mode, "early")) {
    pulp_fault(PULP_EXIT_USAGE, "PULP_DMA is '%s'; it may be 'late' or 'early'", mode);
  }
  return 1;
}

static void execute(const transfer_t *t) {
  if (t->direction == PULP_DMA_L2_TO_L1) {
    pulp_box_copy_in(t->to, t->from, &t->box, t->layout);
  } else {
    pulp_box_copy_out(t->to, t->from, &t->box);
  }
}

static void poison(const transfer_t *t) {
  if (t->direction == PULP_DMA_L2_TO_L1) {
    pulp_box_fill_l1(t->to, &t->box, t->layout, PULP_POISON);
  } else {
    pulp_box_fill_l2(t->to, &t->box, PULP_POISON);
  }
}

static void check(const transfer_t *t) {
  pulp_require_core_0(t->command);
  const char *const flaw = pulp_box_flaw(&t->box, t->layout);
  if (flaw) {
    pulp_layer_fault(t->command, "%s: %" PRIu32 " x %" PRIu32 " x %" PRIu32 " bytes", flaw, t->box.rows,
                     t->box.cols, t->box.channels);
  }
  const int in = t->direction == PULP_DMA_L2_TO_L1;
  pulp_layer_check(t->command, in ? t->to : t->from, pulp_box_l1_span(&t->box, t->layout),
                   in ? t->from : t->to, pulp_box_l2_span(&t->box));
}

static pulp_dma_job_t issue(transfer_t transfer) {
  check(&transfer);
  pulp_stats_count(transfer.direction, pulp_box_commands(&transfer.box, transfer.layout),
                   pulp_box_bytes(&transfer.box));
  if (dma.n_pending == PULP_DMA_MAX_JOBS) {
    pulp_layer_fault(transfer.command, "more than %d transfers under way", PULP_DMA_MAX_JOBS);
  }
  transfer.job = ++dma.last_job;
  if (pulp_dma_is_early()) {
    execute(&transfer);
  } else {
    poison(&transfer);
  }
  dma.pending[dma.n_pending++] = transfer;
  return transfer.job;
}

pulp_dma_job_t pulp_dma_in(void *l1, const void *l2, uint32_t bytes) {
  const pulp_box_t line = {1, 1, bytes, bytes, bytes, bytes, 0};
  return issue((transfer_t){0, "pulp_dma_in", PULP_DMA_L2_TO_L1, PULP_HWC, line, l1, l2});
}

pulp_dma_job_t pulp_dma_box_in(void *l1, const void *l2, const pulp_box_t *box) {
  return issue((transfer_t){0, "pulp_dma_box_in", PULP_DMA_L2_TO_L1, PULP_HWC, *box, l1, l2});
}

pulp_dma_job_t pulp_dma_box_in_chw(void *l1, const void *l2, const pulp_box_t *box) {
  return issue((transfer_t){0, "pulp_dma_box_in_chw", PULP_DMA_L2_TO_L1, PULP_CHW, *box, l1, l2});
}

pulp_dma_job_t pulp_dma_box_out(void *l2, const void *l1, const pulp_box_t *box) {
  return issue((transfer_t){0, "pulp_dma_box_out", PULP_DMA_L1_TO_L2, PULP_HWC, *box, l2, l1});
}

void pulp_dma_wait(pulp_dma_job_t job) {
  pulp_require_core_0("pulp_dma_wait");
  if (job > dma.last_job) {
    pulp_layer_fault("pulp_dma_wait", "there is no job %" PRIu32 ", the last one is %" PRIu32, job,
                     dma.last_job);
  }
  for (unsigned i = 0; i < dma.n_pending; i++) {
    if (dma.pending[i].job == job) {
      if (!pulp_dma_is_early()) {
        execute(&dma.pending[i]);
      }
      dma.pending[i] = dma.pending[--dma.n_pending];
      return;
    }
  }
}

void pulp_dma_require_idle(void) {
  if (dma.n_pending) {
    const transfer_t *const t = &dma.pending[0];
    const int64_t l1 = pulp_l1_offset(t->direction == PULP_DMA_L2_TO_L1 ? t->to : t->from);
    pulp_layer_fault(t->command,
                     "job %" PRIu32 " on L1 bytes [%" PRId64 ", %" PRId64
                     ") is not waited for when the layer ends",
                     t->job, l1, l1 + (int64_t)pulp_box_l1_span(&t->box, t->layout));
  }
}

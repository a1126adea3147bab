/* The MCHAN as core 0 sees it. A job holds one of its 16 counters, on which all commands of the job count; it
 * raises an event when they have moved their last byte. A command's length has 17 bits, which is more than L1
 * has bytes: none needs to be split.
 *
 * The code is short on purpose: the cluster's instruction cache has 4 KiB, and kernels fill it between calls.
 */
#include "cluster.h"
#include "counters.h"
#include "profile.h"
#include "pulp_runtime.h"
#include "registers.h"
#include "stats.h"

#define MAX_JOBS 16

/* A job is a number that grows, and its counter in the lowest four bits. */
static struct {
  pulp_dma_job_t jobs[MAX_JOBS]; /* under way, by counter; or PULP_DMA_NONE */
  unsigned n_jobs;
  uint32_t last_number;
} dma PULP_L1_DATA;

/* The commands of one job, which use the counter that was allotted last. */
typedef struct {
  pulp_dma_job_t job;
  uint32_t begin;           /* for the profile */
  uint32_t flags;           /* of each command */
  uint32_t commands, bytes; /* so far */
} program_t;

/* Lines of a command: in L1 they follow one another, in L2 they begin `stride` bytes apart. */
typedef struct {
  uint32_t count, bytes, stride;
} lines_t;

static pulp_dma_job_t oldest_job(void) {
  pulp_dma_job_t oldest = dma.jobs[0];
  for (unsigned i = 1; i < MAX_JOBS; i++) {
    oldest = dma.jobs[i] < oldest ? dma.jobs[i] : oldest;
  }
  return oldest;
}

static program_t begin_job(pulp_dma_direction_t direction) {
  const uint32_t begin = pulp_profile_now();
  if (dma.n_jobs == MAX_JOBS) { /* the read below would never return */
    pulp_dma_wait(oldest_job());
  }
  const uint32_t counter = pulp_mchan.command;
  const pulp_dma_job_t job = ++dma.last_number << 4 | counter;
  dma.jobs[counter] = job;
  dma.n_jobs++;
  const uint32_t to_l1 = direction == PULP_DMA_L2_TO_L1 ? PULP_MCHAN_TO_L1 : 0;
  return (program_t){.job = job, .begin = begin, .flags = PULP_MCHAN_INCREMENT | PULP_MCHAN_EVENT | to_l1};
}

static pulp_dma_job_t end_job(program_t program, pulp_dma_direction_t direction) {
  pulp_counters.commands[direction] += program.commands;
  pulp_counters.bytes[direction] += program.bytes;
  pulp_profile_add(direction == PULP_DMA_L2_TO_L1 ? PULP_PROFILE_LOAD : PULP_PROFILE_STORE, program.begin);
  return program.job;
}

static inline void add_command(program_t *program, const uint8_t *l1, const uint8_t *l2, lines_t lines) {
  const uint32_t bytes = lines.count * lines.bytes;
  const int is_2d = lines.count > 1 && lines.bytes != lines.stride;
  pulp_mchan.command = program->flags | (is_2d ? PULP_MCHAN_2D : 0) | bytes;
  pulp_mchan.command = (uint32_t)(uintptr_t)l1;
  pulp_mchan.command = (uint32_t)(uintptr_t)l2;
  if (is_2d) {
    pulp_mchan.command = lines.bytes;
    pulp_mchan.command = lines.stride;
  }
  program->commands++;
  program->bytes += bytes;
}

/* Rows of pixels that follow one another in L1; as few commands as common/box.h says. */
static void move_plane(program_t *program, const uint8_t *l1, const uint8_t *l2, const pulp_box_t *box,
                       uint32_t pixel_bytes) {
  const uint32_t row_bytes = box->cols * pixel_bytes;
  const int rows_follow = box->rows == 1 || box->l1_row == row_bytes;
  const int pixels_follow = box->cols == 1 || box->l2_pixel == pixel_bytes;
  if (rows_follow && pixels_follow) {
    add_command(program, l1, l2, (lines_t){box->rows, row_bytes, box->l2_row});
    return;
  }
  if (rows_follow && (box->rows == 1 || box->l2_row == box->cols * box->l2_pixel)) {
    add_command(program, l1, l2, (lines_t){box->rows * box->cols, pixel_bytes, box->l2_pixel});
    return;
  }
  for (uint32_t y = 0; y < box->rows; y++, l1 += box->l1_row, l2 += box->l2_row) {
    add_command(program, l1, l2, (lines_t){box->cols, pixel_bytes, box->l2_pixel});
  }
}

pulp_dma_job_t pulp_dma_in(void *l1, const void *l2, uint32_t bytes) {
  program_t program = begin_job(PULP_DMA_L2_TO_L1);
  add_command(&program, l1, l2, (lines_t){1, bytes, bytes});
  return end_job(program, PULP_DMA_L2_TO_L1);
}

pulp_dma_job_t pulp_dma_box_in(void *l1, const void *l2, const pulp_box_t *box) {
  program_t program = begin_job(PULP_DMA_L2_TO_L1);
  move_plane(&program, l1, l2, box, box->channels);
  return end_job(program, PULP_DMA_L2_TO_L1);
}

/* Each channel is a plane of single bytes: 2-D commands with lines of one byte. */
pulp_dma_job_t pulp_dma_box_in_chw(void *l1, const void *l2, const pulp_box_t *box) {
  program_t program = begin_job(PULP_DMA_L2_TO_L1);
  const uint8_t *plane = l1, *from = l2;
  for (uint32_t c = 0; c < box->channels; c++, plane += box->l1_plane, from++) {
    move_plane(&program, plane, from, box, 1);
  }
  return end_job(program, PULP_DMA_L2_TO_L1);
}

pulp_dma_job_t pulp_dma_box_out(void *l2, const void *l1, const pulp_box_t *box) {
  program_t program = begin_job(PULP_DMA_L1_TO_L2);
  move_plane(&program, l1, l2, box, box->channels);
  return end_job(program, PULP_DMA_L1_TO_L2);
}

/* The event may be that of another job, or of a command of this one before the next was given: look again. */
static void sleep_until_done(uint32_t counter_bit) {
  const uint32_t begin = pulp_cycles();
  pulp_core_events.mask = 1u << PULP_EVENT_DMA;
  while (pulp_mchan.status & counter_bit) {
    pulp_wait_on(&pulp_core_events.wait_clear);
  }
  pulp_core_events.mask = 1u << PULP_EVENT_BARRIER;
  pulp_counters.dma_wait += pulp_cycles() - begin;
  pulp_profile_add(PULP_PROFILE_DMA_WAIT, begin);
}

void pulp_dma_wait(pulp_dma_job_t job) {
  const uint32_t counter = job % MAX_JOBS;
  if (job == PULP_DMA_NONE || dma.jobs[counter] != job) {
    return;
  }
  const uint32_t bit = 1u << counter;
  if (pulp_mchan.status & bit) {
    sleep_until_done(bit);
  }
  pulp_mchan.status = bit;
  dma.jobs[counter] = PULP_DMA_NONE;
  dma.n_jobs--;
}

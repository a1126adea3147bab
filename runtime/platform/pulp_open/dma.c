/* The MCHAN as core 0 sees it. A job holds one of its 16 counters, on which all commands of the job count; it
 * raises an event when they have moved their last byte. */
#include "cluster.h"
#include "counters.h"
#include "pulp_runtime.h"
#include "registers.h"
#include "stats.h"

#define MAX_JOBS 16
#define MAX_BYTES 131071u /* 17 bits */

/* A job is a number that grows, and its counter in the lowest four bits. */
static struct {
  pulp_dma_job_t jobs[MAX_JOBS]; /* under way, by counter; or PULP_DMA_NONE */
  unsigned n_jobs;
  uint32_t last_number;
} dma PULP_L1_DATA;

/* One direction's commands on the counter that was allotted last. */
typedef struct {
  uint32_t flags, direction;
} channel_t;

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

static pulp_dma_job_t begin_job(void) {
  if (dma.n_jobs == MAX_JOBS) { /* the read below would never return */
    pulp_dma_wait(oldest_job());
  }
  const uint32_t counter = pulp_mchan.command;
  const pulp_dma_job_t job = ++dma.last_number << 4 | counter;
  dma.jobs[counter] = job;
  dma.n_jobs++;
  return job;
}

static channel_t open_channel(pulp_dma_direction_t direction) {
  const uint32_t to_l1 = direction == PULP_DMA_L2_TO_L1 ? PULP_MCHAN_TO_L1 : 0;
  return (channel_t){PULP_MCHAN_INCREMENT | PULP_MCHAN_EVENT | to_l1, direction};
}

static void count(channel_t channel, uint32_t bytes) {
  pulp_counters.commands[channel.direction]++;
  pulp_counters.bytes[channel.direction] += bytes;
}

static void command_1d(channel_t channel, const uint8_t *l1, const uint8_t *l2, uint32_t bytes) {
  pulp_mchan.command = channel.flags | bytes;
  pulp_mchan.command = (uint32_t)(uintptr_t)l1;
  pulp_mchan.command = (uint32_t)(uintptr_t)l2;
  count(channel, bytes);
}

static void command_2d(channel_t channel, const uint8_t *l1, const uint8_t *l2, lines_t lines) {
  const uint32_t bytes = lines.count * lines.bytes;
  pulp_mchan.command = channel.flags | PULP_MCHAN_2D | bytes;
  pulp_mchan.command = (uint32_t)(uintptr_t)l1;
  pulp_mchan.command = (uint32_t)(uintptr_t)l2;
  pulp_mchan.command = lines.bytes;
  pulp_mchan.command = lines.stride;
  count(channel, bytes);
}

static void move_1d(channel_t channel, const uint8_t *l1, const uint8_t *l2, uint32_t bytes) {
  for (; bytes > MAX_BYTES; bytes -= MAX_BYTES, l1 += MAX_BYTES, l2 += MAX_BYTES) {
    command_1d(channel, l1, l2, MAX_BYTES);
  }
  command_1d(channel, l1, l2, bytes);
}

static void move_lines(channel_t channel, const uint8_t *l1, const uint8_t *l2, lines_t lines) {
  if (lines.bytes == lines.stride || lines.count == 1) {
    move_1d(channel, l1, l2, lines.count * lines.bytes);
  } else if (lines.bytes > MAX_BYTES) {
    for (uint32_t i = 0; i < lines.count; i++) {
      move_1d(channel, l1 + i * lines.bytes, l2 + i * lines.stride, lines.bytes);
    }
  } else {
    if (lines.count * lines.bytes > MAX_BYTES) {
      const uint32_t most = MAX_BYTES / lines.bytes;
      const lines_t part = {most, lines.bytes, lines.stride};
      for (; lines.count > most; lines.count -= most) {
        command_2d(channel, l1, l2, part);
        l1 += most * lines.bytes;
        l2 += most * lines.stride;
      }
    }
    command_2d(channel, l1, l2, lines);
  }
}

/* Rows of pixels that follow one another in L1; as few commands as common/box.h says. */
static void move_plane(channel_t channel, const uint8_t *l1, const uint8_t *l2, const pulp_box_t *box,
                       uint32_t pixel_bytes) {
  const uint32_t row_bytes = box->cols * pixel_bytes;
  const int rows_follow = box->rows == 1 || box->l1_row == row_bytes;
  const int pixels_follow = box->cols == 1 || box->l2_pixel == pixel_bytes;
  if (rows_follow && pixels_follow) {
    move_lines(channel, l1, l2, (lines_t){box->rows, row_bytes, box->l2_row});
    return;
  }
  if (rows_follow && (box->rows == 1 || box->l2_row == box->cols * box->l2_pixel)) {
    move_lines(channel, l1, l2, (lines_t){box->rows * box->cols, pixel_bytes, box->l2_pixel});
    return;
  }
  for (uint32_t y = 0; y < box->rows; y++, l1 += box->l1_row, l2 += box->l2_row) {
    move_lines(channel, l1, l2, (lines_t){box->cols, pixel_bytes, box->l2_pixel});
  }
}

pulp_dma_job_t pulp_dma_in(void *l1, const void *l2, uint32_t bytes) {
  const pulp_dma_job_t job = begin_job();
  move_1d(open_channel(PULP_DMA_L2_TO_L1), l1, l2, bytes);
  return job;
}

pulp_dma_job_t pulp_dma_box_in(void *l1, const void *l2, const pulp_box_t *box) {
  const pulp_dma_job_t job = begin_job();
  move_plane(open_channel(PULP_DMA_L2_TO_L1), l1, l2, box, box->channels);
  return job;
}

/* Each channel is a plane of single bytes: 2-D commands with lines of one byte. */
pulp_dma_job_t pulp_dma_box_in_chw(void *l1, const void *l2, const pulp_box_t *box) {
  const pulp_dma_job_t job = begin_job();
  const channel_t channel = open_channel(PULP_DMA_L2_TO_L1);
  const uint8_t *plane = l1, *from = l2;
  for (uint32_t c = 0; c < box->channels; c++, plane += box->l1_plane, from++) {
    move_plane(channel, plane, from, box, 1);
  }
  return job;
}

pulp_dma_job_t pulp_dma_box_out(void *l2, const void *l1, const pulp_box_t *box) {
  const pulp_dma_job_t job = begin_job();
  move_plane(open_channel(PULP_DMA_L1_TO_L2), l1, l2, box, box->channels);
  return job;
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

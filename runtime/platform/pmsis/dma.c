/* The cluster's DMA through PMSIS. A job is one or more commands; their descriptors are a ring, and a command
 * that finds its place taken waits for the one in it. */
#include <stddef.h>

#include "pmsis.h"
#include "pulp_runtime.h"

/* The MCHAN has 16 counters, one for each command under way. */
#define MAX_COMMANDS 16u

/* Sizes, and strides on GAP8, have 16 bits. */
#define MAX_COMMAND_BYTES 65532u
#define MAX_STRIDE 65535u

static struct {
  pi_cl_dma_cmd_t command;
  pulp_dma_job_t job; /* under way; or PULP_DMA_NONE */
} ring[MAX_COMMANDS];
static uint32_t n_commands;
static pulp_dma_job_t last_job;

/* Lines of a command: in L1 they follow one another, in L2 they begin `stride` bytes apart. */
typedef struct {
  uint32_t count, bytes, stride;
} lines_t;

static void wait_for(unsigned place) {
  if (ring[place].job != PULP_DMA_NONE) {
    pi_cl_dma_cmd_wait(&ring[place].command);
    ring[place].job = PULP_DMA_NONE;
  }
}

static pi_cl_dma_cmd_t *next_command(void) {
  const unsigned place = n_commands++ % MAX_COMMANDS;
  wait_for(place);
  ring[place].job = last_job;
  return &ring[place].command;
}

static void move_line(uint32_t l1, uint32_t l2, uint32_t bytes, pi_cl_dma_dir_e direction) {
  for (uint32_t done = 0; done < bytes; done += MAX_COMMAND_BYTES) {
    const uint32_t rest = bytes - done;
    const uint32_t part = rest < MAX_COMMAND_BYTES ? rest : MAX_COMMAND_BYTES;
    pi_cl_dma_cmd(l2 + done, l1 + done, part, direction, next_command());
  }
}

static void move_lines(uint32_t l1, uint32_t l2, lines_t lines, pi_cl_dma_dir_e direction) {
  if (lines.count == 1 || lines.bytes == lines.stride) {
    move_line(l1, l2, lines.count * lines.bytes, direction);
    return;
  }
  const uint32_t fit = lines.bytes > MAX_COMMAND_BYTES ? 1 : MAX_COMMAND_BYTES / lines.bytes;
  const uint32_t most = lines.stride > MAX_STRIDE ? 1 : fit;
  for (uint32_t done = 0; done < lines.count; done += most) {
    const uint32_t rest = lines.count - done, count = rest < most ? rest : most;
    const uint32_t to = l1 + done * lines.bytes, from = l2 + done * lines.stride;
    if (count == 1) {
      move_line(to, from, lines.bytes, direction);
    } else {
      pi_cl_dma_cmd_2d(from, to, count * lines.bytes, lines.stride, lines.bytes, direction, next_command());
    }
  }
}

/* Rows of pixels that follow one another in L1. */
static void move_plane(uint32_t l1, uint32_t l2, const pulp_box_t *box, uint32_t pixel_bytes,
                       pi_cl_dma_dir_e direction) {
  const uint32_t row_bytes = box->cols * pixel_bytes;
  const int pixels_follow = box->cols == 1 || box->l2_pixel == pixel_bytes;
  if (pixels_follow && (box->rows == 1 || box->l1_row == row_bytes)) {
    move_lines(l1, l2, (lines_t){box->rows, row_bytes, box->l2_row}, direction);
    return;
  }
  for (uint32_t y = 0; y < box->rows; y++, l1 += box->l1_row, l2 += box->l2_row) {
    move_lines(l1, l2, (lines_t){box->cols, pixel_bytes, box->l2_pixel}, direction);
  }
}

static uint32_t address(const void *pointer) { return (uint32_t)(uintptr_t)pointer; }

pulp_dma_job_t pulp_dma_in(void *l1, const void *l2, uint32_t bytes) {
  last_job++;
  move_line(address(l1), address(l2), bytes, PI_CL_DMA_DIR_EXT2LOC);
  return last_job;
}

pulp_dma_job_t pulp_dma_box_in(void *l1, const void *l2, const pulp_box_t *box) {
  last_job++;
  move_plane(address(l1), address(l2), box, box->channels, PI_CL_DMA_DIR_EXT2LOC);
  return last_job;
}

pulp_dma_job_t pulp_dma_box_in_chw(void *l1, const void *l2, const pulp_box_t *box) {
  last_job++;
  for (uint32_t c = 0; c < box->channels; c++) {
    move_plane(address(l1) + c * box->l1_plane, address(l2) + c, box, 1, PI_CL_DMA_DIR_EXT2LOC);
  }
  return last_job;
}

pulp_dma_job_t pulp_dma_box_out(void *l2, const void *l1, const pulp_box_t *box) {
  last_job++;
  move_plane(address(l1), address(l2), box, box->channels, PI_CL_DMA_DIR_LOC2EXT);
  return last_job;
}

void pulp_dma_wait(pulp_dma_job_t job) {
  for (unsigned place = 0; job != PULP_DMA_NONE && place < MAX_COMMANDS; place++) {
    if (ring[place].job == job) {
      wait_for(place);
    }
  }
}

/* Moves boxes of many shapes by DMA, to L1 and back, and compares them with plain loops. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pulp_runtime.h"

#define L1_BYTES 200000u
#define L2_BYTES 1000000u
#define GAP 0xA5

/* rows, cols, channels, l2_row, l2_pixel, l1_row; the last ones are beyond 16 bits. */
static const pulp_box_t boxes[] = {
    {1, 1, 1, 1, 1, 1, 0},
    {3, 4, 5, 20, 5, 20, 0},
    {3, 4, 5, 60, 11, 25, 0},
    {7, 1, 16, 96, 32, 16, 0},
    {40, 3, 2, 30, 10, 6, 0},
    {1, 1000, 80, 80000, 80, 80000, 0},
    {3, 400, 100, 50000, 100, 40000, 0},
    {20, 100, 40, 8000, 80, 4000, 0},
    {4, 2, 8, 70000, 35000, 16, 0},
};

static uint8_t *l1, *l2, *expected;

static uint32_t l1_place(const pulp_box_t *b, int planes, uint32_t y, uint32_t x, uint32_t c) {
  return planes ? c * b->l1_plane + y * b->l1_row + x : y * b->l1_row + x * b->channels + c;
}

static void copy(const pulp_box_t *b, int planes, uint8_t *to, const uint8_t *from, int into_l1) {
  for (uint32_t y = 0; y < b->rows; y++) {
    for (uint32_t x = 0; x < b->cols; x++) {
      for (uint32_t c = 0; c < b->channels; c++) {
        const uint32_t near = l1_place(b, planes, y, x, c), far = y * b->l2_row + x * b->l2_pixel + c;
        to[into_l1 ? near : far] = from[into_l1 ? far : near];
      }
    }
  }
}

static int moves_in(const pulp_box_t *box, int planes) {
  memset(l1, GAP, L1_BYTES);
  memset(expected, GAP, L1_BYTES);
  copy(box, planes, expected, l2, 1);
  pulp_dma_wait(planes ? pulp_dma_box_in_chw(l1, l2, box) : pulp_dma_box_in(l1, l2, box));
  return memcmp(l1, expected, L1_BYTES) == 0;
}

/* The same box with channels first, a few bytes between rows and planes. */
static pulp_box_t in_planes(pulp_box_t box) {
  box.l1_row = box.cols + box.rows % 2;
  box.l1_plane = box.rows * box.l1_row + 3;
  return box;
}

static int moves_out(const pulp_box_t *box) {
  memcpy(expected, l2, L2_BYTES);
  for (uint32_t i = 0; i < L1_BYTES; i++) {
    l1[i] = (uint8_t)(i % 249);
  }
  copy(box, 0, expected, l1, 0);
  pulp_dma_wait(pulp_dma_box_out(l2, l1, box));
  return memcmp(l2, expected, L2_BYTES) == 0;
}

static void move_all(void *arg) {
  int *const wrong = arg;
  for (unsigned i = 0; i < sizeof(boxes) / sizeof(boxes[0]); i++) {
    const pulp_box_t planes = in_planes(boxes[i]);
    *wrong += !moves_in(&boxes[i], 0) + !moves_in(&planes, 1) + !moves_out(&boxes[i]);
  }
  /* More jobs than there are counters, waited for in another order. */
  pulp_dma_job_t jobs[40];
  for (unsigned i = 0; i < 40; i++) {
    jobs[i] = pulp_dma_in(l1 + 100 * i, l2 + 300 * i, 99);
  }
  for (unsigned i = 40; i-- > 0;) {
    pulp_dma_wait(jobs[i]);
    pulp_dma_wait(jobs[i]);
    *wrong += memcmp(l1 + 100 * i, l2 + 300 * i, 99) != 0;
  }
}

int main(void) {
  int wrong = 0;
  l2 = malloc(L2_BYTES);
  expected = malloc(L2_BYTES);
  for (uint32_t i = 0; i < L2_BYTES; i++) {
    l2[i] = (uint8_t)(i % 251);
  }
  l1 = pulp_l1_arena(16);
  l1 = pulp_l1_arena(L1_BYTES); /* a larger one in its place */
  const int32_t status = pulp_cluster_run(move_all, &wrong, 8);
  printf("status %ld, %d wrong\n", (long)status, wrong);
  return 0;
}

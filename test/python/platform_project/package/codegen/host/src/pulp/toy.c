/* A region of one layer by hand: out = a + b, in two tiles of half the elements. */
#include "toy.h"

#include "pulp_kernels.h"
#include "pulp_runtime.h"

#define TILE (TOY_BYTES / 2)

typedef struct {
  const uint8_t *a, *b;
  uint8_t *out, *l1;
} toy_t;

static const pulp_l1_range_t ADD_L1[] = {{"a", 0, TILE}, {"b", TILE, TILE}, {"out", 2 * TILE, TILE}};
static const pulp_layer_info_t ADD = {"add", ADD_L1, 3};

static void add(void *argument) {
  const toy_t *const toy = argument;
  const pulp_l2_range_t l2[] = {
      {"a", toy->a, TOY_BYTES}, {"b", toy->b, TOY_BYTES}, {"out", toy->out, TOY_BYTES}};
  const pulp_box_t tile = {1, 1, TILE, TILE, TILE, TILE, 0};
  if (pulp_core_id() == 0) {
    pulp_layer_begin(&ADD, l2, 3);
  }
  for (unsigned offset = 0; offset < TOY_BYTES; offset += TILE) {
    if (pulp_core_id() == 0) {
      const pulp_dma_job_t a = pulp_dma_in(toy->l1, toy->a + offset, TILE);
      const pulp_dma_job_t b = pulp_dma_in(toy->l1 + TILE, toy->b + offset, TILE);
      pulp_dma_wait(a);
      pulp_dma_wait(b);
    }
    pulp_barrier();
    pulp_add(toy->l1, toy->l1 + TILE, toy->l1 + 2 * TILE, 1, 1, 0, 0, TILE);
    if (pulp_core_id() == 0) {
      pulp_dma_wait(pulp_dma_box_out(toy->out + offset, toy->l1 + 2 * TILE, &tile));
    }
  }
  if (pulp_core_id() == 0) {
    pulp_layer_end();
  }
}

int32_t toy_add(const uint8_t *a, const uint8_t *b, uint8_t *out) {
  toy_t toy = {a, b, out, pulp_l1_arena(3 * TILE)};
  return toy.l1 ? pulp_cluster_run(add, &toy, TOY_CORES) : -1;
}

/* What generated code needs of a platform: the team of cluster cores, the L1 arena and the DMA.
 *
 * A platform (runtime/platform/<name>) implements every function declared here. */
#ifndef PULP_RUNTIME_H
#define PULP_RUNTIME_H

#include <stdint.h>

/* What generated code keeps in L2, parameters and activations, is declared with this: 8-byte aligned. */
#define PULP_L2 __attribute__((aligned(8)))

/* What generated code keeps in L3 because L2 is too small: parameters, and with PULP_L3_RAM activations. Only
 * pulp_l3_* may use addresses in L3; cores and DMA can't reach it. */
#ifndef PULP_L3
#define PULP_L3 __attribute__((aligned(8)))
#endif
#ifndef PULP_L3_RAM
#define PULP_L3_RAM __attribute__((aligned(8)))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The team ------------------------------------------------------------------------------------------ */

/* Runs fn(arg) on `cores` cores at once and returns when all have returned. 0, or not 0 if there are fewer
 * cores. */
int32_t pulp_cluster_run(void (*fn)(void *arg), void *arg, unsigned cores);

/* Inside pulp_cluster_run: this core's number, from 0, and how many run. */
unsigned pulp_core_id(void);
unsigned pulp_num_cores(void);

/* Returns when every core of the team has called it. */
void pulp_barrier(void);

/* The cluster's L1 memory for one region, 8-byte aligned; NULL if the platform has less than `bytes`. */
uint8_t *pulp_l1_arena(uint32_t bytes);

/* ---- DMA between L2 and L1; called by core 0 only ---------------------------------------------------------
 */

/* A transfer under way. Transfers may overtake each other: the data are there (or the source may be
 * overwritten) only after pulp_dma_wait. Waiting again for a finished job, or for PULP_DMA_NONE, returns at
 * once. */
typedef uint32_t pulp_dma_job_t;
#define PULP_DMA_NONE 0u

/* A box of an HWC tensor in L2 and its place in L1, in bytes. Channels of a pixel are contiguous in L2.
 * In L1 an HWC box has contiguous pixels (l1_row is the distance between rows, l1_plane unused); a CHW box
 * has contiguous columns (l1_row between rows, l1_plane between channels). */
typedef struct {
  uint32_t rows, cols, channels;
  uint32_t l2_row, l2_pixel;
  uint32_t l1_row, l1_plane;
} pulp_box_t;

pulp_dma_job_t pulp_dma_in(void *l1, const void *l2, uint32_t bytes);
pulp_dma_job_t pulp_dma_box_in(void *l1, const void *l2, const pulp_box_t *box);
pulp_dma_job_t pulp_dma_box_in_chw(void *l1, const void *l2, const pulp_box_t *box);
pulp_dma_job_t pulp_dma_box_out(void *l2, const void *l1, const pulp_box_t *box);
void pulp_dma_wait(pulp_dma_job_t job);

/* ---- Transfers between L3 and L2; called by core 0 only ---------------------------------------------------
 */

/* A transfer under way; as for the DMA, the data are there only after pulp_l3_wait, but transfers are done in
 * the order in which they were started. At most PULP_L3_MAX_JOBS are under way at once. Waiting again for a
 * finished job, or for PULP_L3_NONE, returns at once. Addresses and sizes are multiples of 4 bytes. */
typedef uint32_t pulp_l3_job_t;
#define PULP_L3_NONE 0u
#define PULP_L3_MAX_JOBS 64u

pulp_l3_job_t pulp_l3_load(void *l2, const void *l3, uint32_t bytes);
pulp_l3_job_t pulp_l3_store(void *l3, const void *l2, uint32_t bytes);
void pulp_l3_wait(pulp_l3_job_t job);

/* ---- What the plan says a layer may touch ----------------------------------------------------------------
 */

/* On a checking platform every DMA command must lie inside one L1 range and one L2 range of the current
 * layer. */
typedef struct {
  const char *name;
  uint32_t offset, size; /* in the L1 arena */
} pulp_l1_range_t;

typedef struct {
  const char *name;
  const void *base;
  uint32_t size;
} pulp_l2_range_t;

typedef struct {
  const char *name;
  const pulp_l1_range_t *l1;
  unsigned n_l1;
} pulp_layer_info_t;

/* Core 0 calls these around a region that uses L3: on a checking platform every transfer must lie inside
 * `l2`, the region's activations and parameters in L2, and inside one of the ranges `l3`, and none may be
 * under way at the end. Ranges stay valid to the end. */
void pulp_l3_begin(const pulp_l2_range_t *l2, const pulp_l2_range_t *l3, unsigned n_l3);
void pulp_l3_end(void);

/* Core 0 calls these around each layer: checks and counters on `host`, performance counters on devices. A
 * layer is known by the address of its `pulp_layer_info_t`, which must stay valid to the end of the program;
 * `l2` only until pulp_layer_end. */
void pulp_layer_begin(const pulp_layer_info_t *layer, const pulp_l2_range_t *l2, unsigned n_l2);
void pulp_layer_end(void);

#ifdef __cplusplus
}
#endif
#endif

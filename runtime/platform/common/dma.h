/* The checking DMA behind pulp_dma_*, for platforms whose memories are one address space.
 *
 * PULP_DMA=late (default): a transfer happens when it is waited for; until then its destination holds poison.
 * PULP_DMA=early: it happens at once. Correct code computes the same bytes with both. Each command is checked
 * against the ranges of the layer and counted. */
#ifndef PULP_DMA_H
#define PULP_DMA_H

#include "pulp_runtime.h"

/* Transfers under way at once, as many as MCHAN has counters for. */
#define PULP_DMA_MAX_JOBS 16

/* Whether transfers happen at once. */
int pulp_dma_is_early(void);

/* Ends the program if a transfer was not waited for. */
void pulp_dma_require_idle(void);

#endif

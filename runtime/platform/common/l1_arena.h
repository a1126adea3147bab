/* The L1 arena of the current region. */
#ifndef PULP_L1_ARENA_H
#define PULP_L1_ARENA_H

#include <stdint.h>

/* What the DMA and the arena write where nothing may be read yet. */
#define PULP_POISON 0xA5

/* Where `address` lies from the start of the arena; may be negative or beyond its end. */
int64_t pulp_l1_offset(const void *address);

/* The arena; NULL before the first pulp_l1_arena. */
uint8_t *pulp_l1_base(void);

/* Bytes of the arena, 0 before the first pulp_l1_arena. */
uint32_t pulp_l1_size(void);

#endif

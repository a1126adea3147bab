/* A log of what core 0 does, and of L3, for a measured timeline. With PULP_PROFILE only: writing it takes
 * cycles. */
#ifndef PULP_PROFILE_H
#define PULP_PROFILE_H

#include <stdint.h>

#include "pulp_runtime.h"

/* What a record is about. `from` is when it began, `to` when it ended: cycles of the cluster's timer. */
typedef enum {
  PULP_PROFILE_LOAD,      /* core 0 programs the DMA to bring operands */
  PULP_PROFILE_STORE,     /* core 0 programs the DMA to take a tile away: what was computed is complete */
  PULP_PROFILE_DMA_WAIT,  /* core 0 sleeps for the DMA */
  PULP_PROFILE_L3_ASK,    /* core 0 asks for a transfer of L3 */
  PULP_PROFILE_L3_WAIT,   /* core 0 sleeps for L3 */
  PULP_PROFILE_L3_DONE,   /* the next transfer of L3, in the order in which they were asked for, is done */
  PULP_PROFILE_REGION,    /* the fabric controller's call of a region */
  PULP_PROFILE_INFERENCE, /* the whole network; the last record */
  PULP_PROFILE_LAYER = 16 /* and beyond: a layer, by its place in stats.json */
} pulp_profile_kind_t;

#if PULP_PROFILE

#include "registers.h"

static inline uint32_t pulp_profile_now(void) { return pulp_cycles(); }

/* For the first inference; other calls do nothing. */
void pulp_profile_begin_inference(void);
void pulp_profile_end_inference(uint32_t from);

/* Core 0's. A layer is added at its end. */
void pulp_profile_add(pulp_profile_kind_t kind, uint32_t from);
void pulp_profile_add_layer(const pulp_layer_info_t *layer, uint32_t from);

/* The fabric controller's: L3_DONE and REGION. */
void pulp_profile_l3_done(void);
void pulp_profile_end_region(uint32_t from, uint32_t to);

/* Writes profile.bin, three words of 32 bits for each record: kind, from, to. `index_of` finds a layer's
 * place. Not 0 if that fails or if the log was too short. */
int pulp_profile_write(unsigned (*index_of)(const pulp_layer_info_t *layer));

#else

static inline uint32_t pulp_profile_now(void) { return 0; }
static inline void pulp_profile_begin_inference(void) {}
static inline void pulp_profile_end_inference(uint32_t from) { (void)from; }
static inline void pulp_profile_add(pulp_profile_kind_t kind, uint32_t from) {
  (void)kind;
  (void)from;
}
static inline void pulp_profile_add_layer(const pulp_layer_info_t *layer, uint32_t from) {
  (void)layer;
  (void)from;
}
static inline void pulp_profile_l3_done(void) {}
static inline void pulp_profile_end_region(uint32_t from, uint32_t to) {
  (void)from;
  (void)to;
}

#endif
#endif

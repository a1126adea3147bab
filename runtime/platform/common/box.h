/* A DMA command as a box: its footprint, its copy, its cost. */
#ifndef PULP_BOX_H
#define PULP_BOX_H

#include <stdint.h>

#include "pulp_runtime.h"

typedef enum { PULP_HWC, PULP_CHW } pulp_l1_layout_t;

/* Length of an MCHAN command: 17 bits. */
#define PULP_MCHAN_MAX_BYTES 131071u

/* Why a box is no valid command (empty, or lines that overlap), or NULL. */
const char *pulp_box_flaw(const pulp_box_t *box, pulp_l1_layout_t layout);

/* Bytes from the first to the last byte in L1 and in L2, gaps included; the box is valid. */
uint64_t pulp_box_l1_span(const pulp_box_t *box, pulp_l1_layout_t layout);
uint64_t pulp_box_l2_span(const pulp_box_t *box);

/* Bytes that move. */
uint32_t pulp_box_bytes(const pulp_box_t *box);

void pulp_box_copy_in(uint8_t *l1, const uint8_t *l2, const pulp_box_t *box, pulp_l1_layout_t layout);
void pulp_box_copy_out(uint8_t *l2, const uint8_t *l1, const pulp_box_t *box);
void pulp_box_fill_l1(uint8_t *l1, const pulp_box_t *box, pulp_l1_layout_t layout, uint8_t value);
void pulp_box_fill_l2(uint8_t *l2, const pulp_box_t *box, uint8_t value);

/* MCHAN commands that the box takes. A command is a run of bytes that is contiguous in L1 and, in L2, either
 * contiguous or lines of equal length at equal distances (2-D); at most PULP_MCHAN_MAX_BYTES, whole lines
 * where a line fits. So an HWC box takes one command
 *   - for everything, if it is contiguous in L1 and its rows, or its pixels, are evenly spaced in L2,
 *   - else for each row;
 * a CHW box the same for each channel, its pixels being single bytes. */
uint32_t pulp_box_commands(const pulp_box_t *box, pulp_l1_layout_t layout);

#endif

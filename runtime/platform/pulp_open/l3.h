/* Transfers between L3 and L2, beside what pulp_runtime.h declares of them. */
#ifndef PULP_OPEN_L3_H
#define PULP_OPEN_L3_H

/* The fabric controller's: switches the uDMA on and writes what the network keeps in L3 there; ends the
 * program if that can't be read. */
void pulp_l3_fill(void);

/* The fabric controller's, at the interrupt PULP_FC_SOC_EVENT, which it clears: tells core 0 that a transfer
 * is done. */
void pulp_l3_forward_event(void);

/* Core 0's: gives transfers that found the uDMA's queue full to it, as far as there is room now. */
void pulp_l3_start_waiting(void);

#endif

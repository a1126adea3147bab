/* Cycles by layer, counted by core 0's performance counter. */
#ifndef PULP_PMSIS_COUNTERS_H
#define PULP_PMSIS_COUNTERS_H

/* Prints the cycles of each layer that has run. */
void pulp_print_layers(void);

#endif

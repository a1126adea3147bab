/* What the parts of this platform know of one another. */
#ifndef PULP_CLUSTER_H
#define PULP_CLUSTER_H

#include <stdint.h>

/* Variables of the runtime in L1, cleared at start. */
#define PULP_L1_DATA __attribute__((section(".l1")))

/* Start-up code of a cluster core (start.c), and where it goes on. Neither returns. */
extern const char pulp_core_entry[];
void pulp_core_main(unsigned core);

#endif

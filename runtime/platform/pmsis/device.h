/* The cluster as PMSIS's device; opened at its first use, since the fabric controller's programs may want to
 * set clocks before. */
#ifndef PULP_PMSIS_DEVICE_H
#define PULP_PMSIS_DEVICE_H

#include "pmsis.h"

/* NULL if the cluster can't be opened. */
struct pi_device *pulp_cluster_device(void);

#endif

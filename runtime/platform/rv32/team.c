/* A team of one core, however many are asked for: there are no threads here, and cores that meet at barriers
 * can't run one after another. Kernels divide their work by pulp_num_cores() at run time, so the result is
 * the same. */
#include "pulp_runtime.h"

#define MAX_CORES 8

int32_t pulp_cluster_run(void (*fn)(void *arg), void *arg, unsigned cores) {
  if (cores < 1 || cores > MAX_CORES) {
    return -1;
  }
  fn(arg);
  return 0;
}

unsigned pulp_core_id(void) { return 0; }

unsigned pulp_num_cores(void) { return 1; }

void pulp_barrier(void) {}

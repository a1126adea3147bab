/* The team of cluster cores: PMSIS starts core 0, which forks. */
#include <stddef.h>

#include "device.h"
#include "pulp_runtime.h"

#define MAX_CORES 8

/* PMSIS takes stacks from L1, beside the arena; SoC files reserve L1 for them. */
#define STACK_BYTES 2048

typedef struct {
  void (*fn)(void *arg);
  void *arg;
  int cores;
} fork_t;

static void fork_team(void *work) {
  const fork_t *const fork = work;
  pi_cl_team_fork(fork->cores, fork->fn, fork->arg);
}

struct pi_device *pulp_cluster_device(void) {
  static struct pi_device device;
  static int is_open;
  if (!is_open) {
    struct pi_cluster_conf conf;
    pi_cluster_conf_init(&conf);
    pi_open_from_conf(&device, &conf);
    is_open = pi_cluster_open(&device) == 0;
  }
  return is_open ? &device : NULL;
}

int32_t pulp_cluster_run(void (*fn)(void *arg), void *arg, unsigned cores) {
  struct pi_device *const cluster = pulp_cluster_device();
  if (!cluster || cores < 1 || cores > MAX_CORES) {
    return -1;
  }
  fork_t fork = {fn, arg, (int)cores};
  struct pi_cluster_task task;
  pi_cluster_task(&task, fork_team, &fork);
  task.stack_size = STACK_BYTES;
  task.slave_stack_size = STACK_BYTES;
  return pi_cluster_send_task_to_cl(cluster, &task);
}

unsigned pulp_core_id(void) { return (unsigned)pi_core_id(); }

unsigned pulp_num_cores(void) { return (unsigned)pi_cl_team_nb_cores(); }

/* Some versions declare it with the barrier's number, others with an empty list: this call suits both. */
void pulp_barrier(void) { pi_cl_team_barrier(0); }

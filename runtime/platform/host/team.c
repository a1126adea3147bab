/* The team of cluster cores as threads; the caller is core 0. */
#include <pthread.h>
#include <stddef.h>

#include "fault.h"
#include "pulp_runtime.h"

#define MAX_CORES 8

typedef struct {
  void (*fn)(void *arg);
  void *arg;
  unsigned cores;
  pthread_barrier_t barrier;
} team_t;

typedef struct {
  team_t *team; /* NULL outside of pulp_cluster_run */
  unsigned core;
} member_t;

static __thread member_t self;

static void *run_member(void *member) {
  self = *(const member_t *)member;
  self.team->fn(self.team->arg);
  return NULL;
}

int32_t pulp_cluster_run(void (*fn)(void *arg), void *arg, unsigned cores) {
  if (cores < 1 || cores > MAX_CORES || self.team) {
    return -1;
  }
  team_t team = {.fn = fn, .arg = arg, .cores = cores};
  pthread_barrier_init(&team.barrier, NULL, cores);
  member_t members[MAX_CORES];
  pthread_t threads[MAX_CORES];
  for (unsigned core = 1; core < cores; core++) {
    members[core] = (member_t){&team, core};
    if (pthread_create(&threads[core], NULL, run_member, &members[core])) {
      pulp_fault(PULP_EXIT_FAULT, "can't start a thread for core %u", core);
    }
  }
  members[0] = (member_t){&team, 0};
  run_member(&members[0]);
  self.team = NULL;
  for (unsigned core = 1; core < cores; core++) {
    pthread_join(threads[core], NULL);
  }
  pthread_barrier_destroy(&team.barrier);
  return 0;
}

unsigned pulp_core_id(void) { return self.core; }

unsigned pulp_num_cores(void) { return self.team ? self.team->cores : 1; }

void pulp_barrier(void) {
  if (self.team) {
    pthread_barrier_wait(&self.team->barrier);
  }
}

#include "pmsis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNTERS 16
#define MAX_SIZE 65535u
#define PERF_CYCLES 1234u

static struct {
  int on_cluster, pending;
  uint32_t l1_begin, l1_end;
} state;

static void require(int holds, const char *what) {
  if (!holds) {
    fprintf(stderr, "pmsis: %s\n", what);
    exit(9);
  }
}

void pi_cluster_conf_init(struct pi_cluster_conf *conf) { conf->id = 0; }
void pi_open_from_conf(struct pi_device *device, void *conf) { device->is_open = conf == NULL; }
int pi_cluster_open(struct pi_device *device) {
  require(!device->is_open, "the cluster is opened twice");
  device->is_open = 1;
  return 0;
}

struct pi_cluster_task *pi_cluster_task(struct pi_cluster_task *task, void (*entry)(void *), void *arg) {
  *task = (struct pi_cluster_task){.entry = entry, .arg = arg};
  return task;
}

int pi_cluster_send_task_to_cl(struct pi_device *device, struct pi_cluster_task *task) {
  require(device->is_open && task->stack_size && task->slave_stack_size, "a task without cluster or stacks");
  state.on_cluster = 1;
  task->entry(task->arg);
  require(!state.pending, "commands are under way at the end of the task");
  state.on_cluster = 0;
  return 0;
}

void pi_cl_team_fork(int cores, void (*entry)(void *), void *arg) {
  require(state.on_cluster && cores >= 1 && cores <= 8, "a fork outside of the cluster");
  entry(arg);
}
void pi_cl_team_barrier() { require(state.on_cluster, "a barrier outside of the cluster"); }
int pi_cl_team_nb_cores(void) { return 1; }
uint32_t pi_core_id(void) { return 0; }

void *pi_cl_l1_malloc(struct pi_device *device, uint32_t size) {
  require(device->is_open, "L1 is used before the cluster is open");
  uint8_t *const chunk = malloc(size + 1);
  state.l1_begin = (uint32_t)(uintptr_t)(chunk + 1); /* aligned to nothing */
  state.l1_end = state.l1_begin + size;
  return chunk + 1;
}
void pi_cl_l1_free(struct pi_device *device, void *chunk, int size) {
  require(device->is_open && (uint32_t)size == state.l1_end - state.l1_begin, "a size that wasn't allocated");
  free((uint8_t *)chunk - 1);
}
void *pi_l2_malloc(int size) { return malloc((size_t)size); }

void pi_cl_dma_cmd_2d(uint32_t ext, uint32_t loc, uint32_t size, uint32_t stride, uint32_t length,
                      pi_cl_dma_dir_e dir, pi_cl_dma_cmd_t *cmd) {
  require(state.on_cluster && ++state.pending <= COUNTERS, "more commands than counters");
  require(size && size <= MAX_SIZE && stride <= MAX_SIZE && size % length == 0, "a size beyond 16 bits");
  require(loc >= state.l1_begin && loc + size <= state.l1_end, "a command beyond L1");
  *cmd = (pi_cl_dma_cmd_t){ext, loc, size, stride, length, dir, 1};
}
void pi_cl_dma_cmd(uint32_t ext, uint32_t loc, uint32_t size, pi_cl_dma_dir_e dir, pi_cl_dma_cmd_t *cmd) {
  pi_cl_dma_cmd_2d(ext, loc, size, 0, size, dir, cmd);
}
void pi_cl_dma_cmd_wait(pi_cl_dma_cmd_t *cmd) {
  require(cmd->is_pending, "a wait for no command");
  for (uint32_t done = 0, ext = cmd->ext; done < cmd->size; done += cmd->length, ext += cmd->stride) {
    uint8_t *const l1 = (uint8_t *)(uintptr_t)(cmd->loc + done), *const l2 = (uint8_t *)(uintptr_t)ext;
    memcpy(cmd->dir == PI_CL_DMA_DIR_EXT2LOC ? l1 : l2, cmd->dir == PI_CL_DMA_DIR_EXT2LOC ? l2 : l1,
           cmd->length);
  }
  cmd->is_pending = 0;
  state.pending--;
}

void pi_perf_conf(unsigned events) { require(events == 1u << PI_PERF_CYCLES, "another event than cycles"); }
void pi_perf_reset(void) {}
void pi_perf_start(void) {}
void pi_perf_stop(void) {}
unsigned pi_perf_read(int id) { return id == PI_PERF_CYCLES ? PERF_CYCLES : 0; }

int pmsis_kickoff(void *entry) {
  ((void (*)(void))entry)();
  return 0;
}
void pmsis_exit(int status) { exit(status); }

/* What runner.c calls to count; there is nothing to count here. */
void pulp_stats_begin_inference(void) {}
void pulp_stats_end_inference(void) {}
int pulp_stats_write(const char *path, const char *network, uint32_t inferences) {
  (void)path, (void)network, (void)inferences;
  return 0;
}

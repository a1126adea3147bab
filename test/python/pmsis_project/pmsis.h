/* The part of PMSIS that runtime/platform/pmsis uses, for one core. A DMA command moves its bytes only when
 * somebody waits for it; misuse ends the program. */
#ifndef MOCK_PMSIS_H
#define MOCK_PMSIS_H

#include <stdint.h>

struct pi_device {
  int is_open;
};
struct pi_cluster_conf {
  int id;
};
struct pi_cluster_task {
  void (*entry)(void *arg);
  void *arg;
  uint32_t stack_size, slave_stack_size;
};

void pi_cluster_conf_init(struct pi_cluster_conf *conf);
void pi_open_from_conf(struct pi_device *device, void *conf);
int pi_cluster_open(struct pi_device *device);
struct pi_cluster_task *pi_cluster_task(struct pi_cluster_task *task, void (*entry)(void *), void *arg);
int pi_cluster_send_task_to_cl(struct pi_device *device, struct pi_cluster_task *task);

void pi_cl_team_fork(int cores, void (*entry)(void *), void *arg);
void pi_cl_team_barrier();
int pi_cl_team_nb_cores(void);
uint32_t pi_core_id(void);

void *pi_cl_l1_malloc(struct pi_device *device, uint32_t size);
void pi_cl_l1_free(struct pi_device *device, void *chunk, int size);
void *pi_l2_malloc(int size);

typedef enum { PI_CL_DMA_DIR_LOC2EXT, PI_CL_DMA_DIR_EXT2LOC } pi_cl_dma_dir_e;
typedef struct {
  uint32_t ext, loc, size, stride, length;
  pi_cl_dma_dir_e dir;
  int is_pending;
} pi_cl_dma_cmd_t;

void pi_cl_dma_cmd(uint32_t ext, uint32_t loc, uint32_t size, pi_cl_dma_dir_e dir, pi_cl_dma_cmd_t *cmd);
void pi_cl_dma_cmd_2d(uint32_t ext, uint32_t loc, uint32_t size, uint32_t stride, uint32_t length,
                      pi_cl_dma_dir_e dir, pi_cl_dma_cmd_t *cmd);
void pi_cl_dma_cmd_wait(pi_cl_dma_cmd_t *cmd);

#define PI_PERF_CYCLES 0
void pi_perf_conf(unsigned events);
void pi_perf_reset(void);
void pi_perf_start(void);
void pi_perf_stop(void);
unsigned pi_perf_read(int id);

int pmsis_kickoff(void *entry);
void pmsis_exit(int status);

#endif

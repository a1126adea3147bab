/* NE16 beside the cluster's cores, for simulators and chips that have it.
 *
 * A task takes the next of the two sets of job registers. The status register tells how many are taken, and
 * tasks end in their order: so the ids say which are done. */
#include "../../accel/ne16/stride2x2.h"
#include "cluster.h"
#include "pulp_nnx_ne16.h"
#include "registers.h"

static struct {
  uint8_t last_id; /* of the task that was dispatched last */
} ne16 PULP_L1_DATA;

const ne16_dev_t *ne16_pulp_get_dev(void) {
  static const ne16_dev_t device = {{(volatile uint32_t *)&pulp_ne16}};
  return &device;
}

void ne16_nnx_init(const ne16_dev_t *dev, ne16_pulp_conf_t *conf) {
  (void)dev;
  pulp_cluster_control.accelerators = PULP_ACCELERATOR_CLOCK | PULP_ACCELERATOR_FIRST |
                                      ((uint32_t)conf->max_stall & PULP_ACCELERATOR_MAX_STALL);
  pulp_ne16.soft_clear = 0;
}

void ne16_nnx_term(const ne16_dev_t *dev) {
  (void)dev;
  pulp_cluster_control.accelerators = 0;
}

static unsigned in_flight(void) {
  const uint32_t status = pulp_ne16.status;
  return (status & 1) + (status >> 8 & 1);
}

/* The event may be that of an earlier task: callers look again. */
static void sleep_until_event(void) {
  pulp_core_events.mask = 1u << PULP_EVENT_ACCELERATOR;
  pulp_wait_on(&pulp_core_events.wait_clear);
  pulp_core_events.mask = 1u << PULP_EVENT_BARRIER;
}

int ne16_nnx_dispatch_check(const ne16_dev_t *dev) {
  (void)dev;
  return in_flight() < NE16_TASK_QUEUE_SIZE;
}

void ne16_nnx_dispatch_wait(const ne16_dev_t *dev) {
  while (!ne16_nnx_dispatch_check(dev)) {
    sleep_until_event();
  }
}

/* Takes a set of job registers; 0, or 1 if there is none. */
static int acquire(ne16_task_t *task) {
  const uint32_t id = pulp_ne16.acquire;
  if (id > UINT8_MAX) {
    return 1;
  }
  task->id = ne16.last_id = (uint8_t)id;
  return 0;
}

static void write_all(const ne16_task_data_t *data) {
  const uint32_t *const registers = (const uint32_t *)data;
#pragma GCC unroll 24
  for (unsigned i = 0; i < sizeof(*data) / sizeof(uint32_t); i++) {
    pulp_ne16.job[i] = registers[i];
  }
}

int ne16_nnx_dispatch(const ne16_dev_t *dev, ne16_task_t *task) {
  (void)dev;
  if (acquire(task)) {
    return 1;
  }
  write_all(&task->data);
  pulp_ne16.trigger = 0;
  return 0;
}

/* The two sets of registers take turns and keep their values: after two tasks only what differs is written.
 */
void ne16_nnx_dispatch_stride2x2(const ne16_dev_t *dev, ne16_task_t *task, const uint32_t w_in,
                                 const uint32_t k_in, const uint32_t h_out, const uint32_t w_out,
                                 const uint32_t k_out, const uint8_t h_ker, const uint8_t w_ker) {
  (void)w_in, (void)k_in, (void)k_out, (void)h_ker, (void)w_ker;
  const ne16_task_data_t whole = task->data;
  unsigned written = 0;
  for (uint32_t i = 0; 2 * i < h_out; i++) {
    for (uint32_t j = 0; 2 * j < w_out; j++) {
      ne16_set_tile(task, &whole, i, j, h_out, w_out);
      ne16_nnx_dispatch_wait(dev);
      acquire(task);
      if (written < NE16_TASK_QUEUE_SIZE) {
        written++;
        write_all(&task->data);
      } else {
        pulp_ne16.job[PULP_NE16_INPUT] = task->data.infeat_addr;
        pulp_ne16.job[PULP_NE16_OUTPUT] = task->data.outfeat_addr;
        pulp_ne16.job[PULP_NE16_PADDING] = task->data.cfg.padding;
      }
      pulp_ne16.trigger = 0;
    }
  }
}

int ne16_nnx_resolve_check(const ne16_dev_t *dev, ne16_task_t *task) {
  (void)dev;
  const uint8_t behind = (uint8_t)(ne16.last_id - task->id);
  return behind >= in_flight();
}

void ne16_nnx_resolve_wait(const ne16_dev_t *dev, ne16_task_t *task) {
  while (!ne16_nnx_resolve_check(dev, task)) {
    sleep_until_event();
  }
}

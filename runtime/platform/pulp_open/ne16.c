/* NE16 beside the cluster's cores, for simulators and chips that have it.
 *
 * A task takes the next of the two sets of job registers. The status register tells how many are taken, and
 * tasks end in their order: so the ids say which are done. */
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

int ne16_nnx_dispatch(const ne16_dev_t *dev, ne16_task_t *task) {
  (void)dev;
  const uint32_t id = pulp_ne16.acquire;
  if (id > UINT8_MAX) {
    return 1;
  }
  task->id = ne16.last_id = (uint8_t)id;
  const uint32_t *const registers = (const uint32_t *)&task->data;
  for (unsigned i = 0; i < sizeof(task->data) / sizeof(uint32_t); i++) {
    pulp_ne16.job[i] = registers[i];
  }
  pulp_ne16.trigger = 0;
  return 0;
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

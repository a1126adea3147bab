/* The API's queue of tasks in front of the functional model.
 *
 * With PULP_NE16=late (default) a task runs when it is waited for, or when its place is needed; with
 * PULP_NE16=early it runs when it is dispatched. Correct code computes the same bytes with both. */
#include <stdlib.h>
#include <string.h>

#include "../stride2x2.h"
#include "fault.h"
#include "layer.h"
#include "model.h"
#include "pulp_nnx_ne16.h"

typedef struct {
  ne16_task_data_t data;
  uint8_t id;
} entry_t;

/* Only core 0 comes here. */
static struct {
  entry_t entries[NE16_TASK_QUEUE_SIZE]; /* the first runs next */
  unsigned count;
  uint8_t next_id;
} queue;

static int is_early(void) {
  const char *const mode = getenv("PULP_NE16");
  if (!mode || !strcmp(mode, "late")) {
    return 0;
  }
  if (strcmp(mode, "early")) {
    pulp_fault(PULP_EXIT_USAGE, "PULP_NE16 is '%s'; it may be 'late' or 'early'", mode);
  }
  return 1;
}

static void run_first(void) {
  ne16_model_run(&queue.entries[0].data);
  queue.entries[0] = queue.entries[NE16_TASK_QUEUE_SIZE - 1];
  queue.count--;
}

static int is_waiting(uint8_t id) {
  for (unsigned i = 0; i < queue.count; i++) {
    if (queue.entries[i].id == id) {
      return 1;
    }
  }
  return 0;
}

const ne16_dev_t *ne16_pulp_get_dev(void) {
  static const ne16_dev_t device = {{NULL}};
  return &device;
}

void ne16_nnx_init(const ne16_dev_t *dev, ne16_pulp_conf_t *conf) {
  (void)dev, (void)conf;
  pulp_require_core_0("ne16_nnx_init");
  queue.count = 0;
}

void ne16_nnx_term(const ne16_dev_t *dev) {
  (void)dev;
  pulp_require_core_0("ne16_nnx_term");
  if (queue.count) {
    pulp_layer_fault("ne16_nnx_term", "%u tasks have not been waited for", queue.count);
  }
}

int ne16_nnx_dispatch_check(const ne16_dev_t *dev) {
  (void)dev;
  return queue.count < NE16_TASK_QUEUE_SIZE;
}

void ne16_nnx_dispatch_wait(const ne16_dev_t *dev) {
  if (!ne16_nnx_dispatch_check(dev)) {
    run_first();
  }
}

int ne16_nnx_dispatch(const ne16_dev_t *dev, ne16_task_t *task) {
  pulp_require_core_0("ne16_nnx_dispatch");
  if (!ne16_nnx_dispatch_check(dev)) {
    return 1;
  }
  task->id = queue.next_id++;
  queue.entries[queue.count++] = (entry_t){task->data, task->id};
  if (is_early()) {
    run_first();
  }
  return 0;
}

int ne16_nnx_resolve_check(const ne16_dev_t *dev, ne16_task_t *task) {
  (void)dev;
  return !is_waiting(task->id);
}

void ne16_nnx_resolve_wait(const ne16_dev_t *dev, ne16_task_t *task) {
  pulp_require_core_0("ne16_nnx_resolve_wait");
  while (!ne16_nnx_resolve_check(dev, task)) {
    run_first();
  }
}

void ne16_nnx_dispatch_stride2x2(const ne16_dev_t *dev, ne16_task_t *task, const uint32_t w_in,
                                 const uint32_t k_in, const uint32_t h_out, const uint32_t w_out,
                                 const uint32_t k_out, const uint8_t h_ker, const uint8_t w_ker) {
  (void)w_in, (void)k_in, (void)k_out, (void)h_ker, (void)w_ker;
  const ne16_task_data_t whole = task->data;
  for (uint32_t i = 0; 2 * i < h_out; i++) {
    for (uint32_t j = 0; 2 * j < w_out; j++) {
      ne16_set_tile(task, &whole, i, j, h_out, w_out);
      ne16_nnx_dispatch_wait(dev);
      ne16_nnx_dispatch(dev, task);
    }
  }
}

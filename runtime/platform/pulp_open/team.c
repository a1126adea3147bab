/* The team of cluster cores. All eight are started once and then sleep until an event says that there is
 * work: the fabric controller wakes core 0, which sets up the barrier and wakes the others. */
#include <stddef.h>

#include "cluster.h"
#include "counters.h"
#include "fault.h"
#include "l3.h"
#include "pulp_runtime.h"
#include "registers.h"

#define MAX_CORES 8

/* At the end of each stack; a stack that has overflowed has most likely overwritten it. */
#define STACK_GUARD 0x5AFE57ACu

static struct {
  void (*fn)(void *arg);
  void *arg;
  uint32_t cores;
} team PULP_L1_DATA;

extern uint32_t __core_stacks[];
extern const char __core_stack_bytes[]; /* the symbol's value is the size */

static volatile uint32_t *stack_guard(unsigned core) {
  return __core_stacks + core * ((uintptr_t)__core_stack_bytes / sizeof(uint32_t));
}

static void start_cores(void) {
  pulp_cluster_icache = UINT32_MAX;
  for (unsigned core = 0; core < MAX_CORES; core++) {
    *stack_guard(core) = STACK_GUARD;
    pulp_cluster_control.boot_address[core] = (uint32_t)(uintptr_t)pulp_core_entry;
  }
  pulp_fc_interrupts.mask = 1u << PULP_FC_JOINED | 1u << PULP_FC_SOC_EVENT;
  pulp_cluster_control.fetch_enable = (1u << MAX_CORES) - 1;
}

static void check_stacks(void) {
  for (unsigned core = 0; core < MAX_CORES; core++) {
    if (*stack_guard(core) != STACK_GUARD) {
      pulp_fault(PULP_EXIT_FAULT, "the stack of core %u has overflowed", core);
    }
  }
}

/* Interrupts stay off: one that is pending ends `wfi` all the same. */
static void wait_for_join(void) {
  const uint32_t joined = 1u << PULP_FC_JOINED;
  for (uint32_t status; !((status = pulp_fc_interrupts.status) & joined);) {
    if (status & 1u << PULP_FC_SOC_EVENT) {
      pulp_l3_forward_event();
    } else {
      __asm__ volatile("wfi" ::: "memory");
    }
  }
  pulp_fc_interrupts.status_clear = joined;
}

int32_t pulp_cluster_run(void (*fn)(void *arg), void *arg, unsigned cores) {
  static int started;
  if (cores < 1 || cores > MAX_CORES) {
    return -1;
  }
  if (!started) {
    started = 1;
    start_cores();
  }
  team.fn = fn;
  team.arg = arg;
  team.cores = cores;
  __asm__ volatile("fence" ::: "memory");
  pulp_counters_begin_cluster();
  pulp_cluster_events.trigger[PULP_EVENT_FORK] = 1u; /* core 0 */
  wait_for_join();
  pulp_counters_end_cluster();
  check_stacks();
  return 0;
}

/* Core 0 sets up the barrier and wakes the other cores of the team. */
static void fork_team(void) {
  const uint32_t members = (1u << team.cores) - 1;
  pulp_core_events.barrier[0].trigger_mask = members;
  pulp_core_events.barrier[0].target_mask = members;
  if (members != 1u) { /* no bit at all would wake every core */
    pulp_core_events.trigger[PULP_EVENT_FORK] = members & ~1u;
  }
}

void pulp_core_main(unsigned core) {
  for (;;) {
    pulp_core_events.mask = 1u << PULP_EVENT_FORK;
    pulp_wait_on(&pulp_core_events.wait_clear);
    pulp_core_events.mask = 1u << PULP_EVENT_BARRIER;
    if (core == 0) {
      fork_team();
    }
    team.fn(team.arg);
    pulp_barrier();
    if (core == 0) {
      pulp_fc_interrupts.status_set = 1u << PULP_FC_JOINED;
    }
  }
}

unsigned pulp_core_id(void) { return pulp_hart_id() & 31u; }

unsigned pulp_num_cores(void) { return team.cores; }

void pulp_barrier(void) {
  if (team.cores > 1) {
    pulp_wait_on(&pulp_core_events.barrier[0].trigger_wait_clear);
  }
}

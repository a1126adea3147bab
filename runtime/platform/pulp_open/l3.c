/* pulp_l3_* by the uDMA. Core 0 programs it; of the end of a transfer only the fabric controller hears, which
 * sleeps while the cluster works and forwards it as an event to core 0. */
#include "l3.h"

#include <fcntl.h>
#include <unistd.h>

#include "cluster.h"
#include "counters.h"
#include "fault.h"
#include "profile.h"
#include "pulp_runtime.h"
#include "registers.h"
#include "stats.h"

#define IMAGE "l3.bin" /* in the folder where the simulator runs */
#define CHUNK_BYTES 4096u
#define ACCESS_LATENCY 6u /* cycles, as HyperRAMs have at these clocks */

extern const uint8_t __l3[], __l3_end[];

typedef struct {
  uint32_t l2, l3, bytes;
  uint32_t is_store;
} transfer_t;

/* Jobs are numbered from 1. Those up to `last_started` have been given to the uDMA, which is done with all
 * but the last of them; the others, up to `last_asked`, wait for room in its queue. Only core 0 comes here.
 */
static struct {
  pulp_l3_job_t last_asked, last_started;
} jobs PULP_L1_DATA;

static transfer_t transfers[PULP_L3_MAX_JOBS]; /* job n in slot n % PULP_L3_MAX_JOBS */

static void start_transfer(const transfer_t *t) {
  pulp_hyper_queue.address = t->l3;
  if (t->is_store) {
    pulp_hyper_queue.command = PULP_HYPER_WRITE;
    pulp_hyper_queue.from_l2.bytes = t->bytes;
    pulp_hyper_queue.from_l2.l2_address = t->l2;
    pulp_hyper_queue.from_l2.config = PULP_HYPER_START;
  } else {
    pulp_hyper_queue.command = PULP_HYPER_READ;
    pulp_hyper_queue.to_l2.bytes = t->bytes;
    pulp_hyper_queue.to_l2.l2_address = t->l2;
    pulp_hyper_queue.to_l2.config = PULP_HYPER_START;
  }
}

static uint32_t transfers_under_way(void) { return pulp_hyper_queue.status >> 1; }

/* ---- The fabric controller -------------------------------------------------------------------------------
 */

static void write_to_l3(uint32_t l3, const uint8_t *l2, uint32_t bytes) {
  start_transfer(&(transfer_t){(uint32_t)(uintptr_t)l2, l3, bytes, 1});
  while (transfers_under_way()) {
  }
}

void pulp_l3_fill(void) {
  static uint8_t chunk[CHUNK_BYTES] PULP_L2;
  const uint32_t bytes = (uint32_t)(__l3_end - __l3);
  pulp_udma_clocks = UINT32_MAX;
  pulp_hyper_common.page_bound = PULP_HYPER_NO_PAGES;
  pulp_hyper_common.access_latency = ACCESS_LATENCY;
  pulp_hyper_common.chip = 0;
  const int file = bytes ? open(IMAGE, O_RDONLY) : -1;
  for (uint32_t at = 0; at < bytes; at += CHUNK_BYTES) {
    const uint32_t size = bytes - at < CHUNK_BYTES ? bytes - at : CHUNK_BYTES;
    if (file < 0 || read(file, chunk, size) != (ssize_t)size) {
      pulp_fault(PULP_EXIT_USAGE, "can't read %lu bytes for L3 from " IMAGE, (unsigned long)bytes);
    }
    write_to_l3(at, chunk, size);
  }
  if (file >= 0) {
    close(file);
  }
  pulp_soc_events.fc_mask[PULP_HYPER_TO_L2_DONE / 32] &=
      ~(1u << PULP_HYPER_TO_L2_DONE % 32 | 1u << PULP_HYPER_FROM_L2_DONE % 32);
}

void pulp_l3_forward_event(void) {
  pulp_fc_interrupts.status_clear = 1u << PULP_FC_SOC_EVENT;
  (void)pulp_fc_interrupts.soc_event;              /* sets the interrupt again if there are more */
  pulp_cluster_events.trigger[PULP_EVENT_L3] = 1u; /* core 0 */
  pulp_profile_l3_done();
}

/* ---- Core 0 ----------------------------------------------------------------------------------------------
 */

void pulp_l3_begin(const pulp_l2_range_t *l2, const pulp_l2_range_t *l3, unsigned n_l3) {
  (void)l2;
  (void)l3;
  (void)n_l3;
}

void pulp_l3_end(void) {}

void pulp_l3_start_waiting(void) {
  if (jobs.last_started == jobs.last_asked) {
    return;
  }
  uint32_t room = PULP_HYPER_QUEUE - transfers_under_way();
  for (; room && jobs.last_started != jobs.last_asked; room--) {
    start_transfer(&transfers[++jobs.last_started % PULP_L3_MAX_JOBS]);
  }
}

static pulp_l3_job_t ask(const void *l2, const void *l3, uint32_t bytes, pulp_dma_direction_t direction) {
  const uint32_t begin = pulp_profile_now();
  const pulp_l3_job_t job = ++jobs.last_asked;
  pulp_counters.commands[direction]++;
  pulp_counters.bytes[direction] += bytes;
  transfers[job % PULP_L3_MAX_JOBS] = (transfer_t){
      (uint32_t)(uintptr_t)l2, (uint32_t)((const uint8_t *)l3 - __l3), bytes, direction == PULP_L2_TO_L3};
  pulp_l3_start_waiting();
  pulp_profile_add(PULP_PROFILE_L3_ASK, begin);
  return job;
}

pulp_l3_job_t pulp_l3_load(void *l2, const void *l3, uint32_t bytes) {
  return ask(l2, l3, bytes, PULP_L3_TO_L2);
}

pulp_l3_job_t pulp_l3_store(void *l3, const void *l2, uint32_t bytes) {
  return ask(l2, l3, bytes, PULP_L2_TO_L3);
}

static int is_done(pulp_l3_job_t job) {
  return (int32_t)(jobs.last_started - transfers_under_way() - job) >= 0;
}

/* The event may be that of an earlier transfer: look again. */
void pulp_l3_wait(pulp_l3_job_t job) {
  if (job == PULP_L3_NONE || is_done(job)) {
    return;
  }
  const uint32_t begin = pulp_cycles();
  pulp_core_events.mask = 1u << PULP_EVENT_L3;
  do {
    pulp_l3_start_waiting();
    pulp_wait_on(&pulp_core_events.wait_clear);
  } while (!is_done(job));
  pulp_core_events.mask = 1u << PULP_EVENT_BARRIER;
  pulp_counters.l3_wait += pulp_cycles() - begin;
  pulp_profile_add(PULP_PROFILE_L3_WAIT, begin);
}

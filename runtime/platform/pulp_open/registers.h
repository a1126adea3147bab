/* The registers of PULP-open that the runtime uses; pulp_open.ld says where they are. */
#ifndef PULP_REGISTERS_H
#define PULP_REGISTERS_H

#include <stdint.h>

typedef struct {
  uint32_t reserved_0[2];
  uint32_t fetch_enable; /* a bit for each core */
  uint32_t reserved_1[3];
  uint32_t accelerators;
  uint32_t reserved_2[9];
  uint32_t boot_address[8];
} pulp_cluster_control_t;

/* Cluster control, accelerators: their clock, first in the queue for L1, and how many cycles cores wait then.
 */
#define PULP_ACCELERATOR_CLOCK (1u << 11)
#define PULP_ACCELERATOR_FIRST (1u << 8)
#define PULP_ACCELERATOR_MAX_STALL 0xffu

typedef struct {
  uint32_t config_lo, config_hi;
  uint32_t count_lo, count_hi;
} pulp_timer_t;

#define PULP_TIMER_ENABLE 1u

/* The event unit as one core of the cluster sees its own part of it. */
typedef struct {
  uint32_t mask; /* events that end a wait */
  uint32_t reserved_0[9];
  uint32_t buffer_clear;
  uint32_t reserved_1[3];
  uint32_t wait, wait_clear; /* a read stops the core's clock until an event of the mask is there */
  uint32_t reserved_2[48];
  uint32_t trigger[64]; /* software event i: a bit for each core that gets it */
  struct {
    uint32_t trigger_mask, status, summary, target_mask, trigger, trigger_self, trigger_wait,
        trigger_wait_clear;
  } barrier[9];
} pulp_core_events_t;

/* The event unit as the fabric controller sees it. */
typedef struct {
  uint32_t reserved_0[384];
  uint32_t trigger[8];
} pulp_cluster_events_t;

/* Numbers of events in the masks. */
enum {
  PULP_EVENT_FORK = 0,
  PULP_EVENT_L3 = 1,
  PULP_EVENT_DMA = 8,
  PULP_EVENT_ACCELERATOR = 12,
  PULP_EVENT_BARRIER = 16
};

typedef struct {
  uint32_t command; /* a read allots a counter, the writes that follow are the words of commands on it */
  uint32_t status;  /* a bit for each counter with bytes to go; a write of the bit frees the counter */
} pulp_mchan_t;

/* First word of a command: its bytes and these. */
#define PULP_MCHAN_TO_L1 (1u << 17)
#define PULP_MCHAN_INCREMENT (1u << 18)
#define PULP_MCHAN_2D (1u << 19)
#define PULP_MCHAN_EVENT (1u << 20)

/* NE16. A read of `acquire` takes a set of job registers and gives the job's id, or more than 255. */
typedef struct {
  uint32_t trigger, acquire, finished;
  uint32_t status; /* bits 0 and 8: a set of job registers is taken */
  uint32_t running, soft_clear;
  uint32_t reserved[2];
  uint32_t job[24];
} pulp_ne16_t;

/* Job registers by their number. */
enum { PULP_NE16_INPUT = 1, PULP_NE16_OUTPUT = 2, PULP_NE16_PADDING = 20 };

typedef struct {
  uint32_t mask, mask_set, mask_clear;
  uint32_t status, status_set, status_clear;
  uint32_t reserved[3];
  uint32_t soc_event; /* a read takes the number of the oldest event out of a queue */
} pulp_interrupts_t;

/* Numbers of the fabric controller's interrupts; the first is one that software may raise. */
enum { PULP_FC_JOINED = 0, PULP_FC_SOC_EVENT = 26 };

/* Which events of the SoC the fabric controller does not get: bit n % 32 of word n / 32. */
typedef struct {
  uint32_t reserved_0;
  uint32_t fc_mask[8];
} pulp_soc_events_t;

/* The HyperBus controller of the uDMA: one of the queues that transfers wait in, eight each; and what all
 * have in common. Whether a transfer reads or writes follows from the L2 address that was written last. */
typedef struct {
  struct {
    uint32_t l2_address, bytes, config;
  } to_l2, from_l2;
  uint32_t command; /* PULP_HYPER_READ or PULP_HYPER_WRITE */
  uint32_t address; /* in the external memory */
  uint32_t reserved_0;
  uint32_t status; /* bit 0: busy; from bit 1 on the transfers in this queue, that under way included */
  uint32_t reserved_1[22];
} pulp_hyper_queue_t;

typedef struct {
  uint32_t page_bound; /* PULP_HYPER_NO_PAGES */
  uint32_t access_latency;
  uint32_t reserved[6];
  uint32_t chip; /* 0: HyperRAM, 1: HyperFlash */
} pulp_hyper_common_t;

#define PULP_HYPER_START 0x10u
#define PULP_HYPER_READ 4u
#define PULP_HYPER_WRITE 0u
#define PULP_HYPER_NO_PAGES 4u
enum { PULP_HYPER_QUEUE = 8, PULP_HYPER_TO_L2_DONE = 32, PULP_HYPER_FROM_L2_DONE = 33 };

extern volatile pulp_cluster_control_t pulp_cluster_control;
extern volatile pulp_timer_t pulp_cluster_timer;
extern volatile pulp_cluster_events_t pulp_cluster_events;
extern volatile pulp_core_events_t pulp_core_events;
extern volatile pulp_mchan_t pulp_mchan;
extern volatile pulp_ne16_t pulp_ne16;
extern volatile pulp_interrupts_t pulp_fc_interrupts;
extern volatile pulp_soc_events_t pulp_soc_events;
extern volatile pulp_hyper_queue_t pulp_hyper_queue;
extern volatile pulp_hyper_common_t pulp_hyper_common;
extern volatile uint32_t pulp_cluster_icache, pulp_fc_icache, pulp_soc_exit, pulp_udma_clocks;

/* Cycles since the program's start, mod 2^32; the fabric controller and the cluster have the same clock. */
static inline uint32_t pulp_cycles(void) { return pulp_cluster_timer.count_lo; }

/* Stops this core's clock until an event of its mask is there, and clears the event: p.elw on `wait_clear` or
 * on a barrier's `trigger_wait_clear`. */
static inline void pulp_wait_on(const volatile uint32_t *wait_register) {
  uint32_t events;
  __asm__ volatile(".insn i 0x03, 6, %0, 0(%1)" : "=r"(events) : "r"(wait_register) : "memory");
}

static inline uint32_t pulp_hart_id(void) {
  uint32_t id;
  __asm__("csrr %0, mhartid" : "=r"(id));
  return id;
}

#endif

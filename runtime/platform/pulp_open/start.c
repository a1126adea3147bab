/* Program entry of the fabric controller and of the cluster's cores. */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "cluster.h"
#include "fault.h"
#include "l3.h"
#include "registers.h"

extern void __libc_init_array(void);
int main(int argc, char **argv);
void start_program(void);
void stop_at_trap(void);

/* The simulator runs in the folder of the samples. */
static char *arguments[] = {"runner", ".", NULL};
static char *settings[] = {"PULP_STATS=stats.json", NULL};
extern char **environ;
extern uint32_t __l1_data_start[], __l1_data_end[];

__asm__(
    ".section .text.start\n"
    ".global _start, pulp_core_entry\n"
    ".macro set_pointers\n"
    "  .option push\n"
    "  .option norelax\n"
    "  la gp, __global_pointer$\n"
    "  la tp, __tls_base\n"
    "  la t0, trap\n"
    "  .option pop\n"
    "  csrw mtvec, t0\n"
    ".endm\n"
    "_start:\n"
    "  set_pointers\n"
    "  la sp, __fc_stack_top\n"
    "  j start_program\n"
    /* A core's stack grows down from the start of the next core's. */
    "pulp_core_entry:\n"
    "  set_pointers\n"
    "  csrr a0, mhartid\n"
    "  andi a0, a0, 31\n"
    "  la sp, __core_stacks\n"
    "  la t0, __core_stack_bytes\n"
    "  addi t1, a0, 1\n"
    "  mul t1, t1, t0\n"
    "  add sp, sp, t1\n"
    "  j pulp_core_main\n"
    "  .balign 256\n"
    "trap:\n"
    "  la sp, __fc_stack_top\n"
    "  j stop_at_trap\n");

static void clear_l1_data(void) {
  for (uint32_t *word = __l1_data_start; word != __l1_data_end; word++) {
    *word = 0;
  }
}

void start_program(void) {
  pulp_fc_icache = UINT32_MAX;
  pulp_cluster_timer.config_lo = PULP_TIMER_ENABLE;
  clear_l1_data();
  environ = settings;
  __libc_init_array();
  pulp_l3_fill();
  exit(main(2, arguments));
}

void stop_at_trap(void) {
  uint32_t cause, pc;
  __asm__("csrr %0, mcause" : "=r"(cause));
  __asm__("csrr %0, mepc" : "=r"(pc));
  pulp_fault(PULP_EXIT_FAULT, "hart 0x%lx: exception %lu at 0x%lx", (unsigned long)pulp_hart_id(),
             (unsigned long)cause, (unsigned long)pc);
}

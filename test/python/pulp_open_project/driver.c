/* Does what script.txt says, a word and numbers for each test, and prints a line for each: its cycles. The
 * first SHOWN bytes of L1 and of L2 after each transfer go to memory.bin; stats.json has a layer for each
 * transfer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pulp_runtime.h"
#include "registers.h"
#include "stats.h"

#define L1_BYTES 40960
#define L2_BYTES 65536
#define L3_BYTES 10000
#define SHOWN 2048
#define POISON 0xA5
#define MAX_TESTS 128
#define MAX_JOBS 32

typedef enum { IN, BOX_IN, BOX_IN_CHW, BOX_OUT, MANY, TEAM, L3, N_COMMANDS } command_t;

static const char *const names[N_COMMANDS] = {"in", "box_in", "box_in_chw", "box_out", "many", "team", "l3"};

typedef struct {
  command_t command;
  uint8_t *l1;
  uint32_t l1_offset, l2_offset;
  pulp_box_t box;
  uint32_t count;
  uint32_t issue_cycles, cycles;
  pulp_layer_info_t info;
} test_t;

static uint8_t l2[L2_BYTES] PULP_L2;
static const uint8_t in_l3[L3_BYTES] PULP_L3 = {11, 22, 33, 44, [L3_BYTES - 4] = 55, 66, 77, 88};
static uint8_t l3_ram[L2_BYTES] PULP_L3_RAM;
static test_t tests[MAX_TESTS];

static uint32_t number(FILE *file) {
  unsigned long value = 0;
  if (fscanf(file, "%lu", &value) != 1) {
    exit(1);
  }
  return (uint32_t)value;
}

static pulp_dma_job_t start(const test_t *t) {
  uint8_t *const in_l1 = t->l1 + t->l1_offset;
  uint8_t *const in_l2 = l2 + t->l2_offset;
  switch (t->command) {
    case IN:
      return pulp_dma_in(in_l1, in_l2, t->count);
    case BOX_IN:
      return pulp_dma_box_in(in_l1, in_l2, &t->box);
    case BOX_IN_CHW:
      return pulp_dma_box_in_chw(in_l1, in_l2, &t->box);
    default:
      return pulp_dma_box_out(in_l2, in_l1, &t->box);
  }
}

/* Twice, since the instruction cache is cold at first; on the stack, which is in L1 as generated code has it.
 */
static void transfer(void *test) {
  test_t local = *(test_t *)test;
  for (int i = 0; i < 2; i++) {
    pulp_layer_begin(&((test_t *)test)->info, NULL, 0);
    const uint32_t begin = pulp_cycles();
    const pulp_dma_job_t job = start(&local);
    local.issue_cycles = pulp_cycles() - begin;
    pulp_dma_wait(job);
    local.cycles = pulp_cycles() - begin;
    pulp_dma_wait(job); /* must return at once */
    pulp_layer_end();
  }
  *(test_t *)test = local;
}

/* `count` loads of 4 bytes each at once, waited for in the opposite order. */
static void start_many(void *test) {
  test_t *const t = test;
  pulp_dma_job_t jobs[MAX_JOBS];
  for (uint32_t i = 0; i < t->count; i++) {
    jobs[i] = pulp_dma_in(t->l1 + 4 * i, l2 + 8 * i, 4);
  }
  for (uint32_t i = t->count; i > 0; i--) {
    pulp_dma_wait(jobs[i - 1]);
  }
}

/* First and last words of what the image brought to L3 to the first two words of L2. Then `count` times, all
 * under way at once: the words of L2 from 1024 on to L3, and from there to 512 and on. */
static void use_l3(void *test) {
  test_t *const t = test;
  pulp_layer_begin(&t->info, NULL, 0);
  const uint32_t begin = pulp_cycles();
  pulp_l3_load(l2, in_l3, 4);
  pulp_l3_job_t last = pulp_l3_load(l2 + 4, in_l3 + L3_BYTES - 4, 4);
  for (uint32_t i = 0; i < t->count; i++) {
    pulp_l3_store(l3_ram + 4 * i, l2 + 1024 + 4 * i, 4);
    last = pulp_l3_load(l2 + 512 + 4 * i, l3_ram + 4 * i, 4);
  }
  t->issue_cycles = pulp_cycles() - begin;
  pulp_l3_wait(last);
  pulp_l3_wait(last); /* must return at once */
  const uint32_t large = pulp_cycles();
  pulp_l3_wait(pulp_l3_load(l2 + SHOWN, l3_ram, 32768));
  t->cycles = pulp_cycles() - large;
  pulp_layer_end();
}

/* Each core writes its number late, the higher the later; behind the barrier core 0 counts what it sees. */
static void meet(void *test) {
  test_t *const t = test;
  volatile uint8_t *const marks = t->l1;
  const unsigned core = pulp_core_id();
  for (int round = 0; round < 3; round++) {
    for (volatile unsigned i = 0; i < 50 * core; i++) {
    }
    marks[core] = (uint8_t)(core + 1);
    pulp_barrier();
    for (unsigned i = 0; core == 0 && i < pulp_num_cores(); i++) {
      t->issue_cycles += marks[i];
      marks[i] = 0;
    }
    pulp_barrier();
  }
  const uint32_t begin = pulp_cycles();
  for (int i = 0; i < 16; i++) {
    pulp_barrier();
  }
  if (core == 0) {
    t->cycles = (pulp_cycles() - begin) / 16;
  }
}

static void read_box(test_t *t, FILE *script) {
  uint32_t n[7];
  t->l1_offset = number(script);
  t->l2_offset = number(script);
  for (int i = 0; i < 7; i++) {
    n[i] = number(script);
  }
  t->box = (pulp_box_t){n[0], n[1], n[2], n[3], n[4], n[5], n[6]};
}

static void prepare_memory(const test_t *t) {
  memset(t->l1, POISON, SHOWN);
  for (uint32_t i = 0; i < L2_BYTES; i++) {
    l2[i] = (uint8_t)(i % 251);
  }
  if (t->command == BOX_OUT) {
    for (uint32_t i = 0; i < SHOWN; i++) {
      t->l1[i] = (uint8_t)(i % 241);
    }
  }
}

static int run(test_t *t, FILE *script, FILE *memory) {
  t->l1 = pulp_l1_arena(L1_BYTES);
  t->info.name = names[t->command];
  prepare_memory(t);
  switch (t->command) {
    case TEAM: /* team CORES */
      t->count = number(script);
      return pulp_cluster_run(meet, t, t->count);
    case MANY: /* many JOBS */
      t->count = number(script);
      pulp_cluster_run(start_many, t, 1);
      break;
    case L3: /* l3 PAIRS */
      t->count = number(script);
      pulp_cluster_run(use_l3, t, 1);
      break;
    case IN: /* in L1 L2 BYTES */
      t->l1_offset = number(script);
      t->l2_offset = number(script);
      t->count = number(script);
      pulp_cluster_run(transfer, t, 1);
      break;
    default: /* COMMAND L1 L2 ROWS COLS CHANNELS L2-ROW L2-PIXEL L1-ROW L1-PLANE */
      read_box(t, script);
      pulp_cluster_run(transfer, t, 1);
  }
  fwrite(t->l1, 1, SHOWN, memory);
  fwrite(l2, 1, SHOWN, memory);
  return 0;
}

static command_t command_of(const char *name) {
  unsigned i = 0;
  while (i < N_COMMANDS && strcmp(names[i], name)) {
    i++;
  }
  return (command_t)i;
}

int main(void) {
  FILE *const script = fopen("script.txt", "r");
  FILE *const memory = fopen("memory.bin", "wb");
  if (!script || !memory) {
    return 1;
  }
  char name[16];
  for (test_t *t = tests; fscanf(script, "%15s", name) == 1; t++) {
    t->command = command_of(name);
    const int status = run(t, script, memory);
    printf("%s %d %lu %lu\n", name, status, (unsigned long)t->issue_cycles, (unsigned long)t->cycles);
  }
  return fclose(memory) || pulp_stats_write("stats.json", "driver", 1);
}

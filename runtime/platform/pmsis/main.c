/* A program to start from: runs the network once on inputs of zeros, and prints cycles and a sum of each
 * output's bytes. An application of your own calls the network as its header says. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "counters.h"
#include "pmsis.h"
#include "pulp_network.h"

#define MAX_PORTS 16u

static int allocate(const pulp_io_t *table, unsigned count, void **buffers) {
  for (unsigned i = 0; i < count; i++) {
    buffers[i] = pi_l2_malloc((int)table[i].bytes);
    if (!buffers[i]) {
      printf("no %lu bytes of L2 for '%s'\n", (unsigned long)table[i].bytes, table[i].name);
      return -1;
    }
    memset(buffers[i], 0, table[i].bytes);
  }
  return 0;
}

static void print_outputs(void *const *buffers) {
  for (unsigned i = 0; i < pulp_network.n_outputs; i++) {
    const uint8_t *const bytes = buffers[i];
    uint32_t sum = 0;
    for (uint32_t b = 0; b < pulp_network.outputs[i].bytes; b++) {
      sum += bytes[b];
    }
    printf("output '%s': %lu bytes, sum %lu\n", pulp_network.outputs[i].name,
           (unsigned long)pulp_network.outputs[i].bytes, (unsigned long)sum);
  }
}

static int run_once(void) {
  void *inputs[MAX_PORTS], *outputs[MAX_PORTS];
  if (pulp_network.n_inputs > MAX_PORTS || pulp_network.n_outputs > MAX_PORTS ||
      allocate(pulp_network.inputs, pulp_network.n_inputs, inputs) ||
      allocate(pulp_network.outputs, pulp_network.n_outputs, outputs)) {
    return -1;
  }
  const int32_t status = pulp_network.run(inputs, outputs);
  printf("network '%s': status %ld\n", pulp_network.name, (long)status);
  pulp_print_layers();
  print_outputs(outputs);
  return (int)status;
}

static void run_and_exit(void) { pmsis_exit(run_once()); }

int main(void) { return pmsis_kickoff((void *)run_and_exit); }

/* A generated network as a table, so that one runner program serves every network. */
#ifndef PULP_NETWORK_H
#define PULP_NETWORK_H

#include <stdint.h>

typedef struct {
  const char *name;
  uint32_t bytes;
} pulp_io_t;

typedef struct {
  const char *name;
  const pulp_io_t *inputs;
  unsigned n_inputs;
  const pulp_io_t *outputs;
  unsigned n_outputs;
  /* One inference; inputs[i] and outputs[i] in the order of the tables. Not 0: it failed. */
  int32_t (*run)(void *const *inputs, void *const *outputs);
} pulp_network_t;

/* Defined by the generated <network>_io.c. */
extern const pulp_network_t pulp_network;

#endif

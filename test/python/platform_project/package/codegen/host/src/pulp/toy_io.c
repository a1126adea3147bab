#include "pulp_network.h"
#include "toy.h"

static const pulp_io_t INPUTS[] = {{"a", TOY_BYTES}, {"b", TOY_BYTES}};
static const pulp_io_t OUTPUTS[] = {{"sum", TOY_BYTES}};

static int32_t run(void *const *inputs, void *const *outputs) {
  return toy_entry(inputs[0], inputs[1], outputs[0]);
}

const pulp_network_t pulp_network = {"toy", INPUTS, 2, OUTPUTS, 1, run};

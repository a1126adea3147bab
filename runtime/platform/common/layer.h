/* The layer that runs, and what its DMA commands may touch. */
#ifndef PULP_LAYER_H
#define PULP_LAYER_H

#include <stdint.h>

#include "pulp_runtime.h"

/* Ends the program unless core 0 calls inside a layer and [l1, l1 + l1_bytes) lies in one L1 range, [l2, l2 +
 * l2_bytes) in one L2 range of that layer. `command` is the function's name for the message. */
void pulp_layer_check(const char *command, const void *l1, uint64_t l1_bytes, const void *l2,
                      uint64_t l2_bytes);

/* Ends the program with a message about the current layer and `command`; `format` as for printf. */
__attribute__((noreturn, format(printf, 2, 3))) void pulp_layer_fault(const char *command, const char *format,
                                                                      ...);

/* Ends the program unless core 0 calls. */
void pulp_require_core_0(const char *command);

#endif

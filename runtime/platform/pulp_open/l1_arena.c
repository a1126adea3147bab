/* The arena is what linker script and stacks leave of L1. */
#include <stddef.h>

#include "pulp_runtime.h"

extern uint8_t __l1_arena_start[], __l1_arena_end[];

uint8_t *pulp_l1_arena(uint32_t bytes) {
  return bytes <= (uint32_t)(__l1_arena_end - __l1_arena_start) ? __l1_arena_start : NULL;
}

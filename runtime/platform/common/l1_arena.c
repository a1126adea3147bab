/* pulp_l1_arena on the heap, of exactly the size that was asked for, so that an address sanitizer sees every
 * overrun. Each region finds it poisoned: nothing survives in L1 between regions. */
#include "l1_arena.h"

#include <stdlib.h>
#include <string.h>

#include "pulp_runtime.h"

static struct {
  uint8_t *base;
  uint32_t size;
} arena;

static void release(void) {
  free(arena.base);
  arena.base = NULL;
  arena.size = 0;
}

uint8_t *pulp_l1_arena(uint32_t bytes) {
  static int registered;
  if (!registered) {
    registered = 1;
    atexit(release);
  }
  if (!arena.base || arena.size != bytes) {
    release();
    arena.base = malloc(bytes);
    arena.size = arena.base ? bytes : 0;
  }
  if (arena.base) {
    memset(arena.base, PULP_POISON, arena.size);
  }
  return arena.base;
}

int64_t pulp_l1_offset(const void *address) {
  return (int64_t)(uintptr_t)address - (int64_t)(uintptr_t)arena.base;
}

uint8_t *pulp_l1_base(void) { return arena.base; }

uint32_t pulp_l1_size(void) { return arena.size; }

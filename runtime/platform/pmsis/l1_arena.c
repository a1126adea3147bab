/* The arena is allocated from PMSIS's heap of L1 and kept; a region that needs more gets a new one. */
#include <stddef.h>

#include "device.h"
#include "pulp_runtime.h"

#define ALIGNMENT 8u

uint8_t *pulp_l1_arena(uint32_t bytes) {
  static uint8_t *chunk;
  static uint32_t chunk_bytes;
  struct pi_device *const cluster = pulp_cluster_device();
  const uint32_t wanted = bytes + ALIGNMENT;
  if (cluster && wanted > chunk_bytes) {
    if (chunk) {
      pi_cl_l1_free(cluster, chunk, (int)chunk_bytes);
    }
    chunk = pi_cl_l1_malloc(cluster, wanted);
    chunk_bytes = chunk ? wanted : 0;
  }
  return chunk ? chunk + (ALIGNMENT - (uintptr_t)chunk % ALIGNMENT) % ALIGNMENT : NULL;
}

/* How a kernel's work is divided over the team. */
#ifndef PULP_SHARE_H
#define PULP_SHARE_H

#include <stdint.h>

#include "pulp_runtime.h"

typedef struct {
  uint32_t begin, end;
} pulp_share_t;

/* items / parts, rounded up. A division takes about as long as 30 other instructions. */
static inline uint32_t pulp_divide_up(uint32_t items, unsigned parts) {
  if ((parts & (parts - 1)) == 0 && parts <= 8) {
    return (items + parts - 1) >> ((parts >> 1) - (parts >> 3)); /* by the logarithm of parts */
  }
  return (items + parts - 1) / parts;
}

/* The part of `items` that core `core` of `cores` does: consecutive, later parts may be shorter or empty. */
static inline pulp_share_t pulp_share(uint32_t items, unsigned core, unsigned cores) {
  const uint32_t part = pulp_divide_up(items, cores);
  const uint32_t begin = part * core < items ? part * core : items;
  const uint32_t end = begin + part < items ? begin + part : items;
  return (pulp_share_t){begin, end};
}

/* The part of the calling core. */
static inline pulp_share_t pulp_my_share(uint32_t items) {
  return pulp_share(items, pulp_core_id(), pulp_num_cores());
}

/* The pixels of the calling core's rows. */
static inline pulp_share_t pulp_my_rows(uint32_t rows, uint32_t width) {
  const pulp_share_t mine = pulp_my_share(rows);
  return (pulp_share_t){mine.begin * width, mine.end * width};
}

#endif

/* What the genuine PULP-NN takes from PMSIS and from its compiler, for the compilers and platforms here. */
#ifndef PULP_NN_PMSIS_H
#define PULP_NN_PMSIS_H

#include <stdint.h>

#include "../xpulpv2/xpulp.h"
#include "pulp_runtime.h"

#define NUM_CORES ((int)pulp_num_cores()) /* a power of two */
#define pi_core_id() ((int)pulp_core_id())
#define pi_cl_team_barrier(barrier) pulp_barrier()

/* Pointers to them are casts of pointers to bytes: they alias; the cores load any alignment. */
typedef int8_t v4s __attribute__((vector_size(4), may_alias));
typedef uint8_t v4u __attribute__((vector_size(4), may_alias));

XPULP_INLINE int32_t pulp_nn_sdotusp4(v4u a, v4s b, int32_t sum) {
  return xp_sdotusp(sum, (uint32_t)a, (uint32_t)b);
}
XPULP_INLINE v4u pulp_nn_maxu4(v4u a, v4u b) { return (v4u)xp_maxu_b((uint32_t)a, (uint32_t)b); }
XPULP_INLINE v4s pulp_nn_shuffle(v4s a, v4s mask) {
  return (v4s)xp_shuffle2((uint32_t)a, (uint32_t)a, (uint32_t)mask);
}
/* The position of the highest bit that is set. */
XPULP_INLINE int pulp_nn_fl1(uint32_t x) { return 31 - __builtin_clz(x); }

#define __builtin_pulp_sdotusp4(a, b, sum) pulp_nn_sdotusp4(a, b, sum)
#define __builtin_pulp_clipu_r(x, high) ((int32_t)(x) < 0 ? 0 : (int32_t)(x) > (high) ? (high) : (int32_t)(x))
#define __builtin_pulp_maxu4(a, b) pulp_nn_maxu4(a, b)
#define __builtin_pulp_avg4(a, b) ((v4s)(((a) + (b)) >> 1))
#define __builtin_pulp_shuffleb(a, mask) pulp_nn_shuffle(a, mask)
#define __builtin_pulp_pack4(x, y, z, t) ((v4s){(int8_t)(x), (int8_t)(y), (int8_t)(z), (int8_t)(t)})
#define __builtin_pulp_bextract(x, size, at) \
  ((int32_t)((uint32_t)(x) << (32 - (size) - (at))) >> (32 - (size)))
#define __builtin_pulp_bextractu(x, size, at) ((uint32_t)(x) << (32 - (size) - (at)) >> (32 - (size)))
#define __builtin_pulp_fl1(x) pulp_nn_fl1((uint32_t)(x))

#endif

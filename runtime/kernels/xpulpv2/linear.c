/* pulp_nn_linear*: outputs divided over the cores, up to 8 in a pass over the inputs. */
#include <stddef.h>

#include "../portable/requant.h"
#include "pulp_nn_kernels.h"
#include "rows.h"
#include "xpulp.h"

/* Outputs of some rows, with the usual output stage. */
XPULP_INLINE void requantize(const pulp_nn_output_t *o, const int32_t *sums, pulp_share_t rows,
                             uint8_t *out) {
  const int32_t *k = o->k + rows.begin, *lambda = o->lambda + rows.begin;
  out += rows.begin;
#if XPULP_ASM
  __asm__ volatile(XP_BEGIN XP_LOOP(0, "%[n]", 7) XP_LWI("t0", "%[sums]", "4") XP_LWI("t1", "%[k]", "4")
                       XP_LWI("t2", "%[lambda]", "4") "mul t0, t0, t1\n" XP_ADD_N("t0", "t2", "%[shift]")
                           XP_CLIP_U8("t0") XP_SB("t0", "%[out]", "%[one]") XP_END
                   : [sums] "+r"(sums), [k] "+r"(k), [lambda] "+r"(lambda), [out] "+r"(out)
                   : [n] "r"(rows.end - rows.begin), [shift] "r"(o->shift), [one] "r"(1)
                   : "t0", "t1", "t2", "memory");
#else
  for (uint32_t i = 0; i < rows.end - rows.begin; i++) {
    out[i] = (uint8_t)xp_requant(sums[i], k[i], lambda[i], o->shift);
  }
#endif
}

/* The same with any bias and output stage. */
static __attribute__((noinline)) void outputs(const pulp_nn_output_t *o, const int8_t *bias,
                                              const int32_t *sums, pulp_share_t rows, uint8_t *out) {
  for (uint32_t n = rows.begin; n < rows.end; n++, sums++) {
    out[n] = pulp_nn_output(o, bias == NULL ? *sums : *sums + bias[n], n);
  }
}

void pulp_nn_linear(uint8_t *in, int8_t *bias, uint8_t *out, int8_t *weight, int32_t *k, int32_t *lambda,
                    uint16_t out_mult, int8_t out_shift, uint16_t dim_vec, uint16_t num_out, int flag_relu,
                    int flag_bn) {
  const pulp_nn_output_t output = {k, lambda, out_mult, (unsigned)out_shift, flag_relu, flag_bn};
  const int requantizes = bias == NULL && flag_relu && flag_bn;
  const pulp_product_t product = pulp_product_of(in, weight, dim_vec);
  pulp_share_t rows = pulp_my_share(num_out);
  int32_t sums[MOST_ROWS];
  while (rows.begin < rows.end) {
    const uint32_t end = rows.begin + pulp_sum_rows(&product, rows, sums);
    const pulp_share_t these = {rows.begin, end};
    if (requantizes) {
      requantize(&output, sums, these, out);
    } else {
      outputs(&output, bias, sums, these, out);
    }
    rows.begin = end;
  }
  pulp_barrier();
}

void pulp_nn_linear_out_32(uint8_t *in, int8_t *bias, int32_t *out, int8_t *weight, uint16_t dim_vec,
                           uint16_t num_out) {
  const int32_t *const bias_32 = (const int32_t *)(const void *)bias;
  const pulp_product_t product = pulp_product_of(in, weight, dim_vec);
  const pulp_share_t share = pulp_my_share(num_out);
  for (pulp_share_t rows = share; rows.begin < rows.end;) {
    rows.begin += pulp_sum_rows(&product, rows, out + rows.begin);
  }
  for (uint32_t n = share.begin; n < share.end && bias_32 != NULL; n++) {
    out[n] = pulp_wrap_add(out[n], bias_32[n]);
  }
  pulp_barrier();
}

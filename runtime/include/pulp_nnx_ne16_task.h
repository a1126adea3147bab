/* Tasks: what convolutions mean for NE16's job registers. pulp_nnx_ne16.h declares these functions and
 * includes this.
 *
 * All are inline. What they compute is nearly always constant, and what a core executes once a layer it has
 * to fetch from L2 before. */
#ifndef PULP_NNX_NE16_TASK_H
#define PULP_NNX_NE16_TASK_H

#include "../accel/ne16/registers.h"
#include "pulp_nnx_ne16.h"

#define NE16_INLINE inline __attribute__((always_inline))

NE16_INLINE uint32_t ne16_parts(uint32_t size, uint32_t part) { return (size + part - 1) / part; }

NE16_INLINE uint32_t ne16_last_part(uint32_t size, uint32_t part) {
  return size - (ne16_parts(size, part) - 1) * part;
}

NE16_INLINE uint32_t ne16_halves(uint32_t upper, uint32_t lower) { return upper << 16 | (lower & 0xffffu); }

NE16_INLINE void ne16_set_conf(ne16_task_t *task, uint32_t fields, uint32_t value) {
  task->data.cfg.conf0 = (task->data.cfg.conf0 & ~fields) | value;
}

/* What the functions below don't set. Not the whole structure at once: that is a call of memset. */
NE16_INLINE void ne16_task_init(ne16_task_t *task) {
  task->data.scale_addr = task->data.scale_shift_addr = task->data.scale_bias_addr = 0;
  task->data.cfg.weight_offset_factor = 0;
  task->data.cfg.filter_mask = 0;
  task->data.cfg.conf0 = 0;
}

NE16_INLINE void ne16_task_set_op_to_conv(ne16_task_t *task, const uint8_t kernel_shape,
                                          const uint8_t depthwise, const uint8_t stride) {
  task->kernel_shape = kernel_shape;
  task->depthwise = depthwise;
  task->subtile_output_channel = depthwise ? NE16_INPUT_CHANNELS : NE16_OUTPUT_CHANNELS;
  const uint32_t filter = kernel_shape == 1 ? NE16_CONF_1X1 : depthwise ? NE16_CONF_DEPTHWISE : NE16_CONF_3X3;
  ne16_set_conf(task, NE16_CONF_FILTER | NE16_CONF_STRIDE2X2,
                filter | (stride == 2 ? NE16_CONF_STRIDE2X2 : 0));
}

NE16_INLINE void ne16_task_set_bits(ne16_task_t *task, const uint8_t input_bits, const uint8_t output_bits,
                                    const uint8_t weight_bits) {
  const uint32_t wide_input = input_bits == 16 ? NE16_CONF_MODE16 : 0;
  const uint32_t output = output_bits == 8    ? quantMode8Bit
                          : output_bits == 16 ? quantMode16Bit
                                              : quantMode32Bit;
  task->qw = weight_bits;
  task->weight_d0_stride = wide_input ? NE16_WEIGHT_BYTES / 2 : NE16_WEIGHT_BYTES;
  ne16_set_conf(task, NE16_CONF_WEIGHT_BITS | NE16_CONF_MODE16 | NE16_CONF_QUANT_MODE,
                (uint32_t)(weight_bits - 1) | wide_input | output);
}

NE16_INLINE void ne16_task_set_norm_quant(ne16_task_t *task, ne16_quant_t quant, ne16_norm_t norm) {
  const uint32_t flags = (quant.flag_rounding ? NE16_CONF_ROUNDING : 0) |
                         (norm.flag_bias ? NE16_CONF_BIAS : 0) |
                         (norm.flag_shift ? NE16_CONF_CHANNEL_SHIFT : 0);
  const uint32_t shift = (uint32_t)quant.shift_amount << NE16_CONF_SHIFT_POSITION;
  ne16_set_conf(task,
                NE16_CONF_NO_RELU | NE16_CONF_SHIFT | NE16_CONF_ROUNDING | NE16_CONF_NORM_MODE |
                    NE16_CONF_BIAS | NE16_CONF_CHANNEL_SHIFT,
                NE16_CONF_NORM_QUANT | quant.function | norm.mode | shift | flags);
}

NE16_INLINE void ne16_task_set_weight_offset(ne16_task_t *task, ne16_weight_offset_mode_e weight_offset_mode,
                                             const int32_t weight_offset) {
  ne16_set_conf(task, NE16_CONF_WEIGHT_OFFSET, weight_offset_mode);
  task->data.cfg.weight_offset_factor = (uint32_t)weight_offset;
}

NE16_INLINE uint32_t ne16_get_tile_padding(uint32_t padding, uint32_t i_height, uint32_t i_width,
                                           uint32_t n_height, uint32_t n_width) {
  const uint32_t inner = (i_height > 0 ? NE16_PAD_SIDE << NE16_PAD_TOP : 0) |
                         (i_height + 1 < n_height ? NE16_PAD_SIDE << NE16_PAD_BOTTOM : 0) |
                         (i_width > 0 ? NE16_PAD_SIDE << NE16_PAD_LEFT : 0) |
                         (i_width + 1 < n_width ? NE16_PAD_SIDE << NE16_PAD_RIGHT : 0);
  return padding & ~inner;
}

NE16_INLINE uint32_t ne16_pad_addr(uint32_t ptr, const uint32_t width, const uint32_t width_stride,
                                   const uint8_t padding_top, const uint8_t padding_left) {
  return ptr - (padding_top * width + padding_left) * width_stride;
}

NE16_INLINE void ne16_task_set_addr_conv(ne16_task_t *task, uint32_t input_addr, uint32_t w_in,
                                         uint32_t w_in_stride, uint8_t padding_top, uint8_t padding_left,
                                         uint32_t output_addr, uint32_t weights_addr) {
  task->data.infeat_addr = ne16_pad_addr(input_addr, w_in, w_in_stride, padding_top, padding_left);
  task->data.outfeat_addr = output_addr;
  task->data.weights_addr = weights_addr;
}

NE16_INLINE void ne16_task_set_addr_norm_quant(ne16_task_t *task, uint32_t scale_addr, uint32_t shift_addr,
                                               uint32_t bias_addr) {
  task->data.scale_addr = scale_addr;
  task->data.scale_shift_addr = shift_addr;
  task->data.scale_bias_addr = bias_addr;
}

NE16_INLINE void ne16_task_set_strides(ne16_task_t *task, const uint32_t k_in, const uint32_t h_in_stride,
                                       const uint32_t w_in_stride, const uint32_t h_out_stride,
                                       const uint32_t w_out_stride) {
  const uint32_t taps = task->kernel_shape == 1 ? 1 : NE16_FILTER * NE16_FILTER;
  const uint32_t bit = taps * task->weight_d0_stride; /* bytes of one bit of 16 channels' weights */
  const uint32_t all_bits = bit * task->qw;
  ne16_cfg_t *const cfg = &task->data.cfg;
  cfg->input_stride = (ne16_stride_t){w_in_stride, h_in_stride, 0};
  cfg->output_stride = (ne16_stride_t){NE16_OUTPUT_BYTES, w_out_stride, h_out_stride};
  cfg->weights_stride = (ne16_stride_t){
      .d0 = task->kernel_shape == 1 ? all_bits : bit,
      .d1 = task->depthwise ? 0 : all_bits * ne16_parts(k_in, NE16_INPUT_CHANNELS),
  };
}

NE16_INLINE void ne16_task_set_counters(ne16_task_t *task, const uint32_t k_in, const uint32_t h_out,
                                        const uint32_t w_out, const uint32_t k_out,
                                        const uint8_t padding_bottom, const uint8_t padding_right) {
  const uint32_t channels = task->depthwise ? NE16_INPUT_CHANNELS : NE16_OUTPUT_CHANNELS; /* no division */
  const uint32_t halo = task->kernel_shape == 1 ? 0 : NE16_FILTER - 1;
  const uint32_t rest_h = ne16_last_part(h_out, NE16_FILTER), rest_w = ne16_last_part(w_out, NE16_FILTER);
  task->data.cfg.subtile = (ne16_subtile_t){
      .number = {.KoKi = ne16_halves(ne16_parts(k_out, channels), ne16_parts(k_in, NE16_INPUT_CHANNELS)),
                 .HoWo = ne16_halves(ne16_parts(h_out, NE16_FILTER), ne16_parts(w_out, NE16_FILTER))},
      .remainder = {.KoKi = ne16_halves(ne16_last_part(k_out, channels),
                                        ne16_last_part(k_in, NE16_INPUT_CHANNELS)),
                    .HoWo = ne16_halves(rest_h, rest_w),
                    .HiWi = ne16_halves(rest_h + halo - padding_bottom, rest_w + halo - padding_right)},
  };
}

NE16_INLINE void ne16_task_set_padding(ne16_task_t *task, const uint8_t top, const uint8_t bottom,
                                       const uint8_t left, const uint8_t right, const uint8_t value) {
  task->data.cfg.padding = (top & NE16_PAD_SIDE) << NE16_PAD_TOP | (right & NE16_PAD_SIDE) << NE16_PAD_RIGHT |
                           (bottom & NE16_PAD_SIDE) << NE16_PAD_BOTTOM |
                           (left & NE16_PAD_SIDE) << NE16_PAD_LEFT | value;
}

NE16_INLINE void ne16_task_set_mask_filter(ne16_task_t *task, const uint8_t top, const uint8_t bottom,
                                           const uint8_t left, const uint8_t right) {
  task->data.cfg.filter_mask = (uint32_t)top << 24 | (uint32_t)right << 16 | (uint32_t)bottom << 8 | left;
}

NE16_INLINE void ne16_task_set_dims(ne16_task_t *task, const uint32_t w_in, const uint32_t k_in,
                                    const uint32_t h_in_stride, const uint32_t w_in_stride,
                                    const uint32_t h_out, const uint32_t w_out, const uint32_t k_out,
                                    const uint32_t h_out_stride, const uint32_t w_out_stride,
                                    const uint8_t padding_top, const uint8_t padding_bottom,
                                    const uint8_t padding_left, const uint8_t padding_right) {
  (void)w_in;
  ne16_task_set_strides(task, k_in, h_in_stride, w_in_stride, h_out_stride, w_out_stride);
  ne16_task_set_counters(task, k_in, h_out, w_out, k_out, padding_bottom, padding_right);
  ne16_task_set_padding(task, padding_top, padding_bottom, padding_left, padding_right, 0);
}

/* NE16 computes 3 x 3 outputs as without a stride and stores those in the corners: two rows and columns of
 * strides that are half of the map's. */
NE16_INLINE void ne16_task_set_dims_stride2x2(ne16_task_t *task, const uint32_t h_in, const uint32_t w_in,
                                              const uint32_t k_in, const uint32_t h_in_stride,
                                              const uint32_t w_in_stride, const uint32_t h_out,
                                              const uint32_t w_out, const uint32_t k_out,
                                              const uint32_t h_out_stride, const uint32_t w_out_stride,
                                              const uint8_t h_ker, const uint8_t w_ker,
                                              const uint8_t padding_top, const uint8_t padding_bottom,
                                              const uint8_t padding_left, const uint8_t padding_right) {
  const uint8_t beyond = h_in + padding_top >= NE16_INPUT_SIZE ? 0 : padding_bottom;
  const uint8_t bottom = (h_in + padding_top - h_ker) % 2 ? padding_bottom : 0;
  const uint8_t right = (w_in + padding_left - w_ker) % 2 ? padding_right : 0;
  ne16_task_set_strides(task, k_in, h_in_stride, w_in_stride, h_out_stride / 2, w_out_stride / 2);
  ne16_task_set_counters(task, k_in, h_out > 1 ? NE16_FILTER : 1, w_out > 1 ? NE16_FILTER : 1, k_out, beyond,
                         0);
  ne16_task_set_padding(task, padding_top, bottom, padding_left, right, 0);
}

#endif

/* The functions of pulp_nnx_ne16_task.h for those who call them. */
#include "pulp_nnx_ne16.h"

extern inline uint32_t ne16_parts(uint32_t size, uint32_t part);
extern inline uint32_t ne16_last_part(uint32_t size, uint32_t part);
extern inline uint32_t ne16_halves(uint32_t upper, uint32_t lower);
extern inline void ne16_set_conf(ne16_task_t *task, uint32_t fields, uint32_t value);
extern inline void ne16_task_init(ne16_task_t *task);
extern inline void ne16_task_set_op_to_conv(ne16_task_t *task, const uint8_t kernel_shape,
                                            const uint8_t depthwise, const uint8_t stride);
extern inline void ne16_task_set_bits(ne16_task_t *task, const uint8_t input_bits, const uint8_t output_bits,
                                      const uint8_t weight_bits);
extern inline void ne16_task_set_norm_quant(ne16_task_t *task, ne16_quant_t quant, ne16_norm_t norm);
extern inline void ne16_task_set_weight_offset(ne16_task_t *task,
                                               ne16_weight_offset_mode_e weight_offset_mode,
                                               const int32_t weight_offset);
extern inline uint32_t ne16_get_tile_padding(uint32_t padding, uint32_t i_height, uint32_t i_width,
                                             uint32_t n_height, uint32_t n_width);
extern inline uint32_t ne16_pad_addr(uint32_t ptr, const uint32_t width, const uint32_t width_stride,
                                     const uint8_t padding_top, const uint8_t padding_left);
extern inline void ne16_task_set_addr_conv(ne16_task_t *task, uint32_t input_addr, uint32_t w_in,
                                           uint32_t w_in_stride, uint8_t padding_top, uint8_t padding_left,
                                           uint32_t output_addr, uint32_t weights_addr);
extern inline void ne16_task_set_addr_norm_quant(ne16_task_t *task, uint32_t scale_addr, uint32_t shift_addr,
                                                 uint32_t bias_addr);
extern inline void ne16_task_set_strides(ne16_task_t *task, const uint32_t k_in, const uint32_t h_in_stride,
                                         const uint32_t w_in_stride, const uint32_t h_out_stride,
                                         const uint32_t w_out_stride);
extern inline void ne16_task_set_counters(ne16_task_t *task, const uint32_t k_in, const uint32_t h_out,
                                          const uint32_t w_out, const uint32_t k_out,
                                          const uint8_t padding_bottom, const uint8_t padding_right);
extern inline void ne16_task_set_padding(ne16_task_t *task, const uint8_t top, const uint8_t bottom,
                                         const uint8_t left, const uint8_t right, const uint8_t value);
extern inline void ne16_task_set_mask_filter(ne16_task_t *task, const uint8_t top, const uint8_t bottom,
                                             const uint8_t left, const uint8_t right);
extern inline void ne16_task_set_dims(ne16_task_t *task, const uint32_t w_in, const uint32_t k_in,
                                      const uint32_t h_in_stride, const uint32_t w_in_stride,
                                      const uint32_t h_out, const uint32_t w_out, const uint32_t k_out,
                                      const uint32_t h_out_stride, const uint32_t w_out_stride,
                                      const uint8_t padding_top, const uint8_t padding_bottom,
                                      const uint8_t padding_left, const uint8_t padding_right);
extern inline void ne16_task_set_dims_stride2x2(ne16_task_t *task, const uint32_t h_in, const uint32_t w_in,
                                                const uint32_t k_in, const uint32_t h_in_stride,
                                                const uint32_t w_in_stride, const uint32_t h_out,
                                                const uint32_t w_out, const uint32_t k_out,
                                                const uint32_t h_out_stride, const uint32_t w_out_stride,
                                                const uint8_t h_ker, const uint8_t w_ker,
                                                const uint8_t padding_top, const uint8_t padding_bottom,
                                                const uint8_t padding_left, const uint8_t padding_right);

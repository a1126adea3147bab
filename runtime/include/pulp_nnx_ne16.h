/* NE16 through the API of pulp-nnx (pulp-platform/pulp-nnx): its names, signatures and structures, so that a
 * program for a device can link the genuine library. Everything here is called by one core.
 *
 * A task is what NE16's 24 job registers hold. At most two tasks are in its queue: one runs, the next waits.
 * Addresses are those of L1, as NE16 sees them; strides are bytes; channels of a pixel are contiguous. */
#ifndef PULP_NNX_NE16_H
#define PULP_NNX_NE16_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- A task ----------------------------------------------------------------------------------------------
 */

typedef enum { ne16TaskFlagFalse = 0, ne16TaskFlagTrue = 1 } ne16_task_flag_e;

/* The values of these are bits of the register `conf0`. */
typedef enum { weightOffsetModeSymmetric = 0, weightOffsetModeLayerWise = 1 << 15 } ne16_weight_offset_mode_e;

typedef enum { normMode8Bit = 0, normMode16Bit = 1 << 12, normMode32Bit = 2 << 12 } ne16_norm_mode_e;

typedef enum { quantMode8Bit = 0, quantMode16Bit = 1 << 21, quantMode32Bit = 2 << 21 } ne16_quant_mode_e;

typedef enum { quantFunctionRelu = 0, quantFunctionIdentity = 1 << 23 } ne16_quant_function_e;

typedef struct {
  ne16_norm_mode_e mode;       /* bits of a scale */
  ne16_task_flag_e flag_bias;  /* add a bias (int32) to scaled sums */
  ne16_task_flag_e flag_shift; /* a shift for each channel, not the task's */
} ne16_norm_t;

typedef struct {
  uint8_t shift_amount; /* 0 to 31 */
  ne16_quant_function_e function;
  ne16_task_flag_e flag_rounding;
} ne16_quant_t;

typedef struct {
  uint32_t d0, d1, d2;
} ne16_stride_t;

/* Halves of a register: the first name is the upper one. */
typedef struct {
  uint32_t KoKi, HoWo, HiWi;
} ne16_subtile_remainder_t;

typedef struct {
  uint32_t KoKi, HoWo;
} ne16_subtile_number_t;

typedef struct {
  ne16_subtile_remainder_t remainder;
  ne16_subtile_number_t number;
} ne16_subtile_t;

typedef struct {
  ne16_stride_t input_stride;
  ne16_stride_t output_stride;
  ne16_stride_t weights_stride;
  ne16_subtile_t subtile;
  uint32_t padding; /* top, right, bottom, left: 4 bits each, from the highest; the value, 16 bits */
  uint32_t weight_offset_factor;
  uint32_t filter_mask;
  uint32_t conf0;
} ne16_cfg_t;

/* The job registers in their order. */
typedef struct {
  uint32_t weights_addr;
  uint32_t infeat_addr;
  uint32_t outfeat_addr;
  uint32_t scale_addr;
  uint32_t scale_shift_addr;
  uint32_t scale_bias_addr;
  ne16_cfg_t cfg;
} ne16_task_data_t;

typedef struct {
  ne16_task_data_t data;
  uint8_t weight_d0_stride;
  uint8_t qw;
  uint8_t subtile_output_channel;
  uint8_t kernel_shape;
  uint8_t depthwise;
  uint8_t id;
} ne16_task_t;

inline void ne16_task_init(ne16_task_t *task);
inline void ne16_task_set_op_to_conv(ne16_task_t *task, const uint8_t kernel_shape, const uint8_t depthwise,
                                     const uint8_t stride);
inline void ne16_task_set_bits(ne16_task_t *task, const uint8_t input_bits, const uint8_t output_bits,
                               const uint8_t weight_bits);
inline void ne16_task_set_norm_quant(ne16_task_t *task, ne16_quant_t quant, ne16_norm_t norm);
inline void ne16_task_set_weight_offset(ne16_task_t *task, ne16_weight_offset_mode_e weight_offset_mode,
                                        const int32_t weight_offset);

/* The padding of the tile (i_height, i_width) of n_height x n_width: that of the whole on its outer sides. */
inline uint32_t ne16_get_tile_padding(uint32_t padding, uint32_t i_height, uint32_t i_width,
                                      uint32_t n_height, uint32_t n_width);

/* Where a padded map would begin whose inside begins at `ptr`. */
inline uint32_t ne16_pad_addr(uint32_t ptr, const uint32_t width, const uint32_t width_stride,
                              const uint8_t padding_top, const uint8_t padding_left);

inline void ne16_task_set_addr_conv(ne16_task_t *task, uint32_t input_addr, uint32_t w_in,
                                    uint32_t w_in_stride, uint8_t padding_top, uint8_t padding_left,
                                    uint32_t output_addr, uint32_t weights_addr);
inline void ne16_task_set_addr_norm_quant(ne16_task_t *task, uint32_t scale_addr, uint32_t shift_addr,
                                          uint32_t bias_addr);
inline void ne16_task_set_strides(ne16_task_t *task, const uint32_t k_in, const uint32_t h_in_stride,
                                  const uint32_t w_in_stride, const uint32_t h_out_stride,
                                  const uint32_t w_out_stride);
inline void ne16_task_set_counters(ne16_task_t *task, const uint32_t k_in, const uint32_t h_out,
                                   const uint32_t w_out, const uint32_t k_out, const uint8_t padding_bottom,
                                   const uint8_t padding_right);
inline void ne16_task_set_padding(ne16_task_t *task, const uint8_t top, const uint8_t bottom,
                                  const uint8_t left, const uint8_t right, const uint8_t value);
inline void ne16_task_set_mask_filter(ne16_task_t *task, const uint8_t top, const uint8_t bottom,
                                      const uint8_t left, const uint8_t right);

/* Strides, counters and padding (with 0) at once. */
inline void ne16_task_set_dims(ne16_task_t *task, const uint32_t w_in, const uint32_t k_in,
                               const uint32_t h_in_stride, const uint32_t w_in_stride, const uint32_t h_out,
                               const uint32_t w_out, const uint32_t k_out, const uint32_t h_out_stride,
                               const uint32_t w_out_stride, const uint8_t padding_top,
                               const uint8_t padding_bottom, const uint8_t padding_left,
                               const uint8_t padding_right);

/* The same for stride 2, whose task is then dispatched with ne16_nnx_dispatch_stride2x2; k_out is even. */
inline void ne16_task_set_dims_stride2x2(ne16_task_t *task, const uint32_t h_in, const uint32_t w_in,
                                         const uint32_t k_in, const uint32_t h_in_stride,
                                         const uint32_t w_in_stride, const uint32_t h_out,
                                         const uint32_t w_out, const uint32_t k_out,
                                         const uint32_t h_out_stride, const uint32_t w_out_stride,
                                         const uint8_t h_ker, const uint8_t w_ker, const uint8_t padding_top,
                                         const uint8_t padding_bottom, const uint8_t padding_left,
                                         const uint8_t padding_right);

/* ---- The accelerator -------------------------------------------------------------------------------------
 */

#define NE16_TASK_QUEUE_SIZE (2)

typedef struct {
  volatile uint32_t *base_addr;
} hwpe_dev_t;

typedef struct {
  hwpe_dev_t hwpe_dev;
} ne16_dev_t;

typedef struct {
  int max_stall; /* cycles that a core may have to wait for L1 while NE16 uses it */
} ne16_pulp_conf_t;

const ne16_dev_t *ne16_pulp_get_dev(void);

void ne16_nnx_init(const ne16_dev_t *dev, ne16_pulp_conf_t *conf);
void ne16_nnx_term(const ne16_dev_t *dev);

/* Whether there is room in the queue; until there is. */
int ne16_nnx_dispatch_check(const ne16_dev_t *dev);
void ne16_nnx_dispatch_wait(const ne16_dev_t *dev);

/* Puts a task in the queue, and gives it its id; 0, or 1 if there is no room. The task may be changed then.
 */
int ne16_nnx_dispatch(const ne16_dev_t *dev, ne16_task_t *task);

/* Whether a task is done; until it is. Its output may be read then. */
int ne16_nnx_resolve_check(const ne16_dev_t *dev, ne16_task_t *task);
void ne16_nnx_resolve_wait(const ne16_dev_t *dev, ne16_task_t *task);

/* A convolution with stride 2: puts a task for each 2 x 2 outputs in the queue, and waits where there is no
 * room. `task` is the last of them then. */
void ne16_nnx_dispatch_stride2x2(const ne16_dev_t *dev, ne16_task_t *task, const uint32_t w_in,
                                 const uint32_t k_in, const uint32_t h_out, const uint32_t w_out,
                                 const uint32_t k_out, const uint8_t h_ker, const uint8_t w_ker);

#include "pulp_nnx_ne16_task.h"

#ifdef __cplusplus
}
#endif
#endif

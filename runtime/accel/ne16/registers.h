/* What the fields of NE16's job registers mean, and the sizes of its datapath. */
#ifndef NE16_REGISTERS_H
#define NE16_REGISTERS_H

/* A subtile: what one pass of the datapath computes. */
#define NE16_FILTER 3     /* rows and columns of a 3 x 3 filter, and of a subtile's output */
#define NE16_INPUT_SIZE 5 /* rows and columns of a subtile's input, for 3 x 3 filters */
#define NE16_INPUT_CHANNELS 16
#define NE16_OUTPUT_CHANNELS 32
#define NE16_OUTPUT_BYTES 32 /* moved in a cycle */
#define NE16_WEIGHT_BYTES 2  /* one bit of the weights of 16 channels */

/* conf0 */
#define NE16_CONF_WEIGHT_BITS 0x7u /* less 1 */
#define NE16_CONF_MODE16 (1u << 3)
#define NE16_CONF_NORM_QUANT (1u << 4)
#define NE16_CONF_FILTER (3u << 5)
#define NE16_CONF_3X3 (0u << 5)
#define NE16_CONF_DEPTHWISE (1u << 5)
#define NE16_CONF_1X1 (2u << 5)
#define NE16_CONF_LINEAR (1u << 7)
#define NE16_CONF_STRIDE2X2 (1u << 8)
#define NE16_CONF_ROUNDING (1u << 11)
#define NE16_CONF_NORM_MODE (3u << 12)
#define NE16_CONF_STREAMIN (1u << 14)
#define NE16_CONF_WEIGHT_OFFSET (1u << 15)
#define NE16_CONF_SHIFT_POSITION 16
#define NE16_CONF_SHIFT (0x1fu << NE16_CONF_SHIFT_POSITION)
#define NE16_CONF_QUANT_MODE (3u << 21)
#define NE16_CONF_NO_RELU (1u << 23)
#define NE16_CONF_CHANNEL_SHIFT (1u << 24)
#define NE16_CONF_BIAS (1u << 25)

/* padding: position of each side's four bits */
enum { NE16_PAD_LEFT = 16, NE16_PAD_BOTTOM = 20, NE16_PAD_RIGHT = 24, NE16_PAD_TOP = 28 };
#define NE16_PAD_SIDE 0xfu
#define NE16_PAD_VALUE 0xffffu

#endif

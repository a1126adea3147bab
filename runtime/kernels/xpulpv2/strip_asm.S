/* pulp_strip_*: see strip.h. */
#if defined(__riscv)
#include "xpulp.S.h"

/* Offsets in pulp_strip_t */
#define ROWS 0
#define WEIGHTS 4
#define OFFSET 8
#define HEIGHT 12
#define WORDS 16
#define OUT 20
#define OUT_STRIDE 24
#define COUNT 28
#define K 32
#define LAMBDA 36
#define SHIFT 40
#define LOW_BITS 44
#define CHANNELS 48
#define FILTER 52
#define PITCH 56

/* Places in the frame behind the saved registers: of the next channel the first output, k, lambda and
 * offset; the channels left. */
#define NEXT_OUT 56
#define NEXT_K 60
#define NEXT_LAMBDA 64
#define NEXT_OFFSET 68
#define CHANNELS_LEFT 72
#define FRAME_SIZE 80

#define job tp
#define rows a1
#define weights a2
#define out a3
#define offset a4
#define height a5
#define words a6
#define out_stride a7
#define k s8 /* if SPLIT, the upper part */
#define low s9
#define shift s10
#define count s11
#define high ra /* of lambda, if WIDE */
#define k_low ra /* if SPLIT */
#define xa t0
#define xb t1
#define wa t2
#define wb t3
#define x t4
#define w t5
#define row t6    /* the next row's entry */
#define next_x a0 /* what that says */

.macro FOR_OUTPUTS op
  .irp acc, s0, s1, s2, s3, s4, s5, s6, s7
  \op \acc
  .endr
.endm

.macro ZERO acc
  li \acc, 0
.endm

/* The accumulator's output; \low_bits in t2 if SPLIT. */
.macro REQUANT acc
  .if WIDE
  mulh t0, \acc, k
  mul t1, \acc, k
  add t1, t1, low
  sltu t1, t1, low
  add t0, t0, high
  add t0, t0, t1
  sra \acc, t0, shift
  .elseif SPLIT
  mul t0, \acc, k_low
  sra t0, t0, t2
  MAC(t0, \acc, k)
  ADD_N(t0, low, shift)
  mv \acc, t0
  .else
  mul \acc, \acc, k
  ADD_N(\acc, low, shift)
  .endif
  CLIP_U8(\acc, \acc)
.endm

.macro STORE acc
  SB_INC(\acc, out, out_stride)
.endm

.macro STORE_UNLESS_DONE acc
  SB_INC(\acc, out, out_stride)
  addi count, count, -1
  beqz count, 4f
.endm

/* A word's products, 14 instructions: outputs 0 to 3 begin in one word, 4 to 7 in the next. */
.macro WORD1
  LW_INC_I(xa, x, 4)
  LW_INC_I(wa, w, 4)
  lw xb, 0(x)
  LW_INC_I(wb, w, 4)
  SDOTUSP_B(s0, xa, wa)
  SDOTUSP_B(s4, xb, wa)
  LW_INC_I(wa, w, 4)
  SDOTUSP_B(s1, xa, wb)
  SDOTUSP_B(s5, xb, wb)
  LW_INC_I(wb, w, 4)
  SDOTUSP_B(s2, xa, wa)
  SDOTUSP_B(s6, xb, wa)
  SDOTUSP_B(s3, xa, wb)
  SDOTUSP_B(s7, xb, wb)
.endm

/* Two outputs begin in each of four words. */
.macro WORD2
  LW_INC_I(xa, x, 4)
  LW_INC_I(wa, w, 4)
  lw xb, 0(x)
  LW_INC_I(wb, w, 4)
  SDOTUSP_B(s0, xa, wa)
  SDOTUSP_B(s1, xa, wb)
  lw xa, 4(x)
  SDOTUSP_B(s2, xb, wa)
  SDOTUSP_B(s3, xb, wb)
  lw xb, 8(x)
  SDOTUSP_B(s4, xa, wa)
  SDOTUSP_B(s5, xa, wb)
  SDOTUSP_B(s6, xb, wa)
  SDOTUSP_B(s7, xb, wb)
.endm

.macro STRIP name, stride
  BEGIN_FUNCTION \name
  addi sp, sp, -FRAME_SIZE
  SAVE_FROM 0, sw, ra, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
  mv job, a0
  lw t0, CHANNELS(job)
  lw out, OUT(job)
  lw t1, K(job)
  lw t2, LAMBDA(job)
  lw weights, WEIGHTS(job)
  lw t3, OFFSET(job)
  lw rows, ROWS(job)
  lw height, HEIGHT(job)
  lw words, WORDS(job)
  lw out_stride, OUT_STRIDE(job)
  lw shift, SHIFT(job)
1: /* for each channel; t0: channels left, t1: k, t2: lambda, t3: offset */
  lw k, 0(t1)
  lw low, 0(t2)
  .if WIDE
  lw high, 4(t2)
  .endif
  .if SPLIT
  lw t4, LOW_BITS(job)
  sra t5, k, t4
  sll t6, t5, t4
  sub k_low, k, t6
  mv k, t5
  .endif
  addi t1, t1, 4 + 4 * WIDE
  addi t2, t2, 4 + 4 * WIDE
  addi t4, out, 1
  sw t0, CHANNELS_LEFT(sp)
  sw t1, NEXT_K(sp)
  sw t2, NEXT_LAMBDA(sp)
  sw t4, NEXT_OUT(sp)
  lw t4, PITCH(job)
  add t4, t4, t3
  sw t4, NEXT_OFFSET(sp)
  lw count, COUNT(job)
  mv offset, t3
2: /* for each block of outputs */
  lw x, 0(rows)
  lw next_x, 4(rows)
  addi row, rows, 8
  add x, x, offset
  mv w, weights
  FOR_OUTPUTS ZERO
  .balign 4
  .option push
  .option norvc
  LOOP(1, height, 17)
  LOOP(0, words, 14)
  WORD\stride
  add x, next_x, offset
  LW_INC_I(next_x, row, 4)
  .option pop
  .if SPLIT
  lw t2, LOW_BITS(job)
  .endif
  FOR_OUTPUTS REQUANT
  li t0, 8
  blt count, t0, 3f
  FOR_OUTPUTS STORE
  addi count, count, -8
  addi offset, offset, 8 * \stride
  bnez count, 2b
  j 4f
3:
  FOR_OUTPUTS STORE_UNLESS_DONE
4:
  lw t0, CHANNELS_LEFT(sp)
  lw t4, FILTER(job)
  lw t1, NEXT_K(sp)
  lw t2, NEXT_LAMBDA(sp)
  lw out, NEXT_OUT(sp)
  lw t3, NEXT_OFFSET(sp)
  addi t0, t0, -1
  add weights, weights, t4
  bnez t0, 1b
  SAVE_FROM 0, lw, ra, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
  addi sp, sp, FRAME_SIZE
  ret
  FINISH_FUNCTION \name
.endm

.set WIDE, 0
.set SPLIT, 0
STRIP pulp_strip_stride1, 1
STRIP pulp_strip_stride2, 2
.set SPLIT, 1
STRIP pulp_strip_split_stride1, 1
STRIP pulp_strip_split_stride2, 2
.set SPLIT, 0
.set WIDE, 1
STRIP pulp_strip_wide_stride1, 1
STRIP pulp_strip_wide_stride2, 2
#endif

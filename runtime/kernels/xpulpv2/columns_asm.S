/* pulp_columns*: see columns.h. Four outputs at a time, then one. */
#if defined(__riscv)
#include "xpulp.S.h"

/* Offsets in pulp_columns_t */
#define COLUMNS 0
#define WEIGHTS 4
#define OUT 8
#define COUNT 12
#define K 16
#define LAMBDA 20
#define WORDS 24
#define STEP 28
#define OUT_STRIDE 32
#define SHIFT 36
#define LOW_BITS 40

#define count a1
#define columns a2
#define weights a3
#define words a4
#define step a5
#define back a6 /* from the fourth output's word to the first one's next word */
#define k a7
#define low s4
#define high s5 /* of lambda, if WIDE */
#define k_low s5 /* if SPLIT, k being the upper part */
#define low_bits a0 /* of those, if SPLIT */
#define shift s6
#define out s7
#define out_stride s8
#define x t0
#define w t1

/* The accumulator's output; uses t2, t3. */
.macro STORE acc
  .if WIDE
  mulh t2, \acc, k
  mul t3, \acc, k
  add t3, t3, low
  sltu t3, t3, low
  add t2, t2, high
  add t2, t2, t3
  sra \acc, t2, shift
  .elseif SPLIT
  mul t2, \acc, k_low
  sra t2, t2, low_bits
  MAC(t2, \acc, k)
  ADD_N(t2, low, shift)
  .else
  mul \acc, \acc, k
  ADD_N(\acc, low, shift)
  .endif
  .if SPLIT
  CLIP_U8(\acc, t2)
  .else
  CLIP_U8(\acc, \acc)
  .endif
  SB_INC(\acc, out, out_stride)
.endm

.macro FUNCTION name
  BEGIN_FUNCTION \name
  addi sp, sp, -48
  sw s0, 0(sp)
  sw s1, 4(sp)
  sw s2, 8(sp)
  sw s3, 12(sp)
  sw s4, 16(sp)
  sw s5, 20(sp)
  sw s6, 24(sp)
  sw s7, 28(sp)
  sw s8, 32(sp)
  lw t0, K(a0)
  lw t1, LAMBDA(a0)
  lw columns, COLUMNS(a0)
  lw weights, WEIGHTS(a0)
  lw count, COUNT(a0)
  lw k, 0(t0)
  lw low, 0(t1)
  .if WIDE
  lw high, 4(t1)
  .endif
  lw words, WORDS(a0)
  lw step, STEP(a0)
  lw shift, SHIFT(a0)
  lw out, OUT(a0)
  lw out_stride, OUT_STRIDE(a0)
  .if SPLIT
  lw low_bits, LOW_BITS(a0)
  sra t0, k, low_bits
  sll t1, t0, low_bits
  sub k_low, k, t1
  mv k, t0
  .endif
  li back, 4
  sub back, back, step
  sub back, back, step
  sub back, back, step
  addi count, count, -4
  bltz count, 2f
1:
  mv x, columns
  mv w, weights
  li s0, 0
  li s1, 0
  li s2, 0
  li s3, 0
  .balign 4
  .option push
  .option norvc
  LOOP(0, words, 9)
  LW_INC_I(t2, w, 4)
  LW_INC(t3, x, step)
  LW_INC(t4, x, step)
  LW_INC(t5, x, step)
  LW_INC(t6, x, back)
  SDOTUSP_B(s0, t3, t2)
  SDOTUSP_B(s1, t4, t2)
  SDOTUSP_B(s2, t5, t2)
  SDOTUSP_B(s3, t6, t2)
  .option pop
  STORE s0
  STORE s1
  STORE s2
  STORE s3
  slli t2, step, 2
  addi count, count, -4
  add columns, columns, t2
  bgez count, 1b
2:
  addi count, count, 4
  beqz count, 4f
3:
  mv x, columns
  mv w, weights
  li s0, 0
  .balign 4
  .option push
  .option norvc
  LOOP(0, words, 4)
  LW_INC_I(t2, w, 4)
  LW_INC_I(t3, x, 4)
  nop
  SDOTUSP_B(s0, t3, t2)
  .option pop
  STORE s0
  addi count, count, -1
  add columns, columns, step
  bnez count, 3b
4:
  lw s0, 0(sp)
  lw s1, 4(sp)
  lw s2, 8(sp)
  lw s3, 12(sp)
  lw s4, 16(sp)
  lw s5, 20(sp)
  lw s6, 24(sp)
  lw s7, 28(sp)
  lw s8, 32(sp)
  addi sp, sp, 48
  ret
  FINISH_FUNCTION \name
.endm

.set WIDE, 0
.set SPLIT, 0
FUNCTION pulp_columns
.set SPLIT, 1
FUNCTION pulp_columns_split
.set SPLIT, 0
.set WIDE, 1
FUNCTION pulp_columns_wide
#endif

/* pulp_block_1 .. pulp_block_4: 4 output channels x n pixels at a time, see block.h. */
#if defined(__riscv)
#include "xpulp.S.h"

/* Offsets in pulp_block_t */
#define X 0
#define W 4
#define OUT 8
#define K 12
#define LAMBDA 16
#define BLOCKS 20
#define X_STRIDE 24
#define W_STRIDE 28
#define X_BACK 32
#define W_BACK 36
#define WORDS 40
#define ROWS 44
#define X_SKIP 48
#define W_SKIP 52
#define W_STEP 56
#define OUT_STRIDE 60
#define SHIFT 64

/* Accumulator of pixel p, channel c: register ACC(p, c). tp holds the address of the pulp_block_t. */
#define x a4
#define w a5
#define x_stride a6
#define w_stride a7
#define x_back t6
#define w_back ra


/* Products of the pixel word in \px with the weights in t0..t3. */
.macro DOTS px, a0, a1, a2, a3
  SDOTUSP_B(\a0, \px, t0)
  SDOTUSP_B(\a1, \px, t1)
  SDOTUSP_B(\a2, \px, t2)
  SDOTUSP_B(\a3, \px, t3)
.endm

.macro WEIGHTS
  LW_INC(t0, w, w_stride)
  LW_INC(t1, w, w_stride)
  LW_INC(t2, w, w_stride)
  LW_INC(t3, w, w_back)
.endm

.macro ZERO regs:vararg
  .irp reg, \regs
  li \reg, 0
  .endr
.endm

/* The accumulators of one channel, requantized: k in x, lambda in t4, shift in t2. */
.macro REQUANT regs:vararg
  LW_INC_I(x, t0, 4)
  LW_INC_I(t4, t1, 4)
  .irp reg, \regs
  mul \reg, \reg, x
  .endr
  .irp reg, \regs
  ADD_N(\reg, t4, t2)
  .endr
  .irp reg, \regs
  CLIP_U8(\reg, \reg)
  .endr
.endm

/* Four channels of a pixel as a word; t3: where, t5: distance to the next pixel's. */
.macro STORE a0, a1, a2, a3
  PACKLO_B(\a0, \a1, \a0)
  PACKHI_B(\a0, \a3, \a2)
  SW_INC(\a0, t3, t5)
.endm

.macro BLOCK n, length
  .text
  .balign 16
  .globl pulp_block_\n
  .type pulp_block_\n, @function
pulp_block_\n:
  addi sp, sp, -64
  sw ra, 0(sp)
  sw tp, 4(sp)
  sw s0, 8(sp)
  sw s1, 12(sp)
  sw s2, 16(sp)
  sw s3, 20(sp)
  sw s4, 24(sp)
  sw s5, 28(sp)
  sw s6, 32(sp)
  sw s7, 36(sp)
  sw s8, 40(sp)
  sw s9, 44(sp)
  sw s10, 48(sp)
  sw s11, 52(sp)
  mv tp, a0
  lw w, W(tp)
  lw x_stride, X_STRIDE(tp)
  lw w_stride, W_STRIDE(tp)
  lw x_back, X_BACK(tp)
  lw w_back, W_BACK(tp)
  .balign 16
1:
  lw t0, ROWS(tp)
  lw x, X(tp)
  ZERO s0, s1, s2, s3
  .if \n > 1
  ZERO s4, s5, s6, s7
  .endif
  .if \n > 2
  ZERO s8, s9, s10, s11
  .endif
  .if \n > 3
  ZERO a0, a1, a2, a3
  .endif
  .balign 4
  .option push
  .option norvc
  LOOP(1, t0, 6 + \length)
  lw t0, WORDS(tp)
  LOOP(0, t0, \length)
  .if \n == 1
  LW_INC(t4, x, x_back)
  WEIGHTS
  DOTS t4, s0, s1, s2, s3
  .else
  WEIGHTS
  LW_INC(t4, x, x_stride)
  .if \n == 2
  LW_INC(t5, x, x_back)
  DOTS t4, s0, s1, s2, s3
  DOTS t5, s4, s5, s6, s7
  .else
  LW_INC(t5, x, x_stride)
  DOTS t4, s0, s1, s2, s3
  .if \n == 3
  LW_INC(t4, x, x_back)
  DOTS t5, s4, s5, s6, s7
  DOTS t4, s8, s9, s10, s11
  .else
  LW_INC(t4, x, x_stride)
  DOTS t5, s4, s5, s6, s7
  LW_INC(t5, x, x_back)
  DOTS t4, s8, s9, s10, s11
  DOTS t5, a0, a1, a2, a3
  .endif
  .endif
  .endif
  lw t0, X_SKIP(tp)
  lw t1, W_SKIP(tp)
  add x, x, t0
  add w, w, t1
  .option pop
  lw t0, K(tp)
  lw t1, LAMBDA(tp)
  lw t2, SHIFT(tp)
  lw t3, OUT(tp)
  .if \n == 1
  REQUANT s0
  REQUANT s1
  REQUANT s2
  REQUANT s3
  .elseif \n == 2
  REQUANT s0, s4
  REQUANT s1, s5
  REQUANT s2, s6
  REQUANT s3, s7
  .elseif \n == 3
  REQUANT s0, s4, s8
  REQUANT s1, s5, s9
  REQUANT s2, s6, s10
  REQUANT s3, s7, s11
  .else
  REQUANT s0, s4, s8, a0
  REQUANT s1, s5, s9, a1
  REQUANT s2, s6, s10, a2
  REQUANT s3, s7, s11, a3
  .endif
  lw t5, OUT_STRIDE(tp)
  lw t2, W_STEP(tp)
  addi t4, t3, 4
  sw t4, OUT(tp)
  sw t0, K(tp)
  sw t1, LAMBDA(tp)
  STORE s0, s1, s2, s3
  .if \n > 1
  STORE s4, s5, s6, s7
  .endif
  .if \n > 2
  STORE s8, s9, s10, s11
  .endif
  .if \n > 3
  STORE a0, a1, a2, a3
  .endif
  lw t0, BLOCKS(tp)
  add w, w, t2
  addi t0, t0, -1
  sw t0, BLOCKS(tp)
  bnez t0, 1b
  lw ra, 0(sp)
  lw tp, 4(sp)
  lw s0, 8(sp)
  lw s1, 12(sp)
  lw s2, 16(sp)
  lw s3, 20(sp)
  lw s4, 24(sp)
  lw s5, 28(sp)
  lw s6, 32(sp)
  lw s7, 36(sp)
  lw s8, 40(sp)
  lw s9, 44(sp)
  lw s10, 48(sp)
  lw s11, 52(sp)
  addi sp, sp, 64
  ret
  .size pulp_block_\n, . - pulp_block_\n
.endm

BLOCK 1, 9
BLOCK 2, 14
BLOCK 3, 19
BLOCK 4, 24
#endif

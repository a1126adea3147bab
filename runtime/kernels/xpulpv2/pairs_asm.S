/* pulp_pairs*: see pairs.h. */
#if defined(__riscv)
#include "xpulp.S.h"

/* Offsets in pulp_pairs_t */
#define X 0
#define W 4
#define OUT 8
#define K 12
#define LAMBDA 16
#define PAIRS 20
#define PIXELS 24
#define W_STRIDE 28
#define OUT_STRIDE 32
#define SHIFT 36

#define FRAME_SIZE 64

/* Weights of channel A and B by word */
#define wa0 s0
#define wa1 s1
#define wa2 s2
#define wa3 s3
#define wa4 s4
#define wa5 s5
#define wa6 s6
#define wb0 s7
#define wb1 s8
#define wb2 s9
#define wb3 s10
#define wb4 s11
#define wb5 a1
#define wb6 a2
#define ka a3
#define kb a4
#define la a5
#define lb a6
#define shift a7
#define x t0
#define out t1
#define out_stride t2
#define a t3
#define b t4
#define p t5
#define q t6
#define k_at ra
#define lambda_at tp

.macro SAVE op
  \op ra, 0(sp)
  \op tp, 4(sp)
  \op s0, 8(sp)
  \op s1, 12(sp)
  \op s2, 16(sp)
  \op s3, 20(sp)
  \op s4, 24(sp)
  \op s5, 28(sp)
  \op s6, 32(sp)
  \op s7, 36(sp)
  \op s8, 40(sp)
  \op s9, 44(sp)
  \op s10, 48(sp)
  \op s11, 52(sp)
.endm

/* A word of the window, with its weights. */
.macro WORD px, va, vb
  SDOTUSP_B(a, \px, \va)
  SDOTUSP_B(b, \px, \vb)
.endm

.macro FUNCTION name
  .text
  .balign 16
  .globl \name
  .type \name, @function
\name:
  addi sp, sp, -FRAME_SIZE
  SAVE sw
  lw t3, W(a0)
  lw t4, OUT(a0)
  lw t5, PAIRS(a0)
  lw out_stride, OUT_STRIDE(a0)
  lw shift, SHIFT(a0)
  lw k_at, K(a0)
  lw lambda_at, LAMBDA(a0)
10: /* t3: weights, t4: outputs, t5: pairs left */
  lw t0, W_STRIDE(a0)
  lw wa0, 0(t3)
  lw wa1, 4(t3)
  lw wa2, 8(t3)
  lw wa3, 12(t3)
  lw wa4, 16(t3)
  lw wa5, 20(t3)
  lw wa6, 24(t3)
  add t3, t3, t0
  lw wb0, 0(t3)
  lw wb1, 4(t3)
  lw wb2, 8(t3)
  lw wb3, 12(t3)
  lw wb4, 16(t3)
  lw wb5, 20(t3)
  lw wb6, 24(t3)
  add t3, t3, t0
  LW_INC_I(ka, k_at, 4)
  LW_INC_I(kb, k_at, 4)
  LW_INC_I(la, lambda_at, 4)
  LW_INC_I(lb, lambda_at, 4)
  sw t3, 56(sp)
  mv out, t4
  sw t5, 60(sp)
  lw t3, PIXELS(a0)
  lw x, X(a0)
  .balign 4
  .option push
  .option norvc
  LOOP(0, t3, 29)
  LW_INC_I(p, x, 4)
  LW_INC_I(q, x, 4)
  DOTUSP_B(a, p, wa0)
  DOTUSP_B(b, p, wb0)
  LW_INC_I(p, x, 4)
  WORD q, wa1, wb1
  LW_INC_I(q, x, 4)
  WORD p, wa2, wb2
  LW_INC_I(p, x, 4)
  WORD q, wa3, wb3
  LW_INC_I(q, x, 4)
  WORD p, wa4, wb4
  LW_INC_I(p, x, 4)
  WORD q, wa5, wb5
  WORD p, wa6, wb6
  .if HIGH
  mulh a, a, ka
  mulh b, b, kb
  .else
  mul a, a, ka
  mul b, b, kb
  .endif
  ADD_N(a, la, shift)
  ADD_N(b, lb, shift)
  CLIP_U8(a, a)
  CLIP_U8(b, b)
  PACKLO_B(a, b, a)
  SH_INC(a, out, out_stride)
  .option pop
  lw t5, 60(sp)
  lw t3, 56(sp)
  lw t0, PIXELS(a0)
  addi t5, t5, -1
  mul t0, t0, out_stride
  sub t4, out, t0
  addi t4, t4, 2
  bnez t5, 10b
  SAVE lw
  addi sp, sp, FRAME_SIZE
  ret
  .size \name, . - \name
.endm

.set HIGH, 0
FUNCTION pulp_pairs
.set HIGH, 1
FUNCTION pulp_pairs_high
#endif

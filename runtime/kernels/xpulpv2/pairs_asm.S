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
#define LOW_BITS 40

/* Places in the frame behind the saved registers: the address of the pulp_pairs_t, the next pair's weights, k
 * and lambda, the pairs left. */
#define JOB_AT 56
#define NEXT_W 60
#define NEXT_K 64
#define NEXT_LAMBDA 68
#define PAIRS_LEFT 72
#define FRAME_SIZE 80

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
/* If SPLIT, of k the lower part; the upper one is in ka, kb. */
#define ka_low ra
#define kb_low tp
#define low_bits a0

/* A word of the window, with its weights. */
.macro WORD px, va, vb
  SDOTUSP_B(a, \px, \va)
  SDOTUSP_B(b, \px, \vb)
.endm

.macro FUNCTION name
  BEGIN_FUNCTION \name
  addi sp, sp, -FRAME_SIZE
  SAVE_FROM 0, sw, ra, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
  sw a0, JOB_AT(sp)
  lw t3, W(a0)
  lw t4, K(a0)
  lw t5, LAMBDA(a0)
  lw t6, PAIRS(a0)
  lw out_stride, OUT_STRIDE(a0)
  lw shift, SHIFT(a0)
  lw out, OUT(a0)
10: /* t3: weights, t4: k, t5: lambda, t6: pairs left */
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
  LW_INC_I(ka, t4, 4)
  LW_INC_I(kb, t4, 4)
  LW_INC_I(la, t5, 4)
  LW_INC_I(lb, t5, 4)
  sw t3, NEXT_W(sp)
  sw t4, NEXT_K(sp)
  sw t5, NEXT_LAMBDA(sp)
  sw t6, PAIRS_LEFT(sp)
  lw t3, PIXELS(a0)
  lw x, X(a0)
  .if SPLIT
  lw low_bits, LOW_BITS(a0)
  li t4, 1
  sll t4, t4, low_bits
  addi t4, t4, -1
  and ka_low, ka, t4
  and kb_low, kb, t4
  sra ka, ka, low_bits
  sra kb, kb, low_bits
  .endif
  .balign 4
  .option push
  .option norvc
  LOOP(0, t3, 29 + 4 * SPLIT)
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
  .if SPLIT
  mul p, a, ka_low
  mul q, b, kb_low
  sra p, p, low_bits
  sra q, q, low_bits
  MAC(p, a, ka)
  MAC(q, b, kb)
  ADD_N(p, la, shift)
  ADD_N(q, lb, shift)
  CLIP_U8(a, p)
  CLIP_U8(b, q)
  .else
  mul a, a, ka
  mul b, b, kb
  ADD_N(a, la, shift)
  ADD_N(b, lb, shift)
  CLIP_U8(a, a)
  CLIP_U8(b, b)
  .endif
  PACKLO_B(a, b, a)
  SH_INC(a, out, out_stride)
  .option pop
  lw a0, JOB_AT(sp)
  lw t6, PAIRS_LEFT(sp)
  lw t0, PIXELS(a0)
  lw t3, NEXT_W(sp)
  lw t4, NEXT_K(sp)
  lw t5, NEXT_LAMBDA(sp)
  mul t0, t0, out_stride
  addi t6, t6, -1
  sub out, out, t0
  addi out, out, 2
  bnez t6, 10b
  SAVE_FROM 0, lw, ra, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
  addi sp, sp, FRAME_SIZE
  ret
  FINISH_FUNCTION \name
.endm

.set SPLIT, 0
FUNCTION pulp_pairs
.set SPLIT, 1
FUNCTION pulp_pairs_split
#endif

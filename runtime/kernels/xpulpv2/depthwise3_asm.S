/* pulp_depthwise3_*: see depthwise3.h. */
#if defined(__riscv)
#include "xpulp.S.h"

/* Offsets in pulp_depthwise3_t */
#define RUNS 0
#define N_RUNS 4
#define CHANNEL 8
#define OUT 12
#define OUT_STRIDE 16
#define ROW_STEP 20
#define FIRST 24
#define WHOLE 28
#define LAST 32
#define SHIFT 36
#define K 40
#define LAMBDA 48
#define WEIGHTS 56

/* Offsets in pulp_rows_t */
#define RUN_IN 0
#define RUN_ROWS 4
#define RUN_TO_SECOND 8
#define RUN_TO_THIRD 12
#define RUN_TO_NEXT 16
#define RUN_LANES 20
#define RUN_SIZE 24

/* Places in the stack frame */
#define FRAME_RUN 56
#define FRAME_RUNS_LEFT 60
#define FRAME_ROWS_LEFT 64
#define FRAME_ROW 68
#define FRAME_SIZE 80

/* Weights of columns 0, 1, 2 of channel A and B; accumulators of the output that the next column finishes (fa,
 * fb) and of the one after it (ma, mb). tp holds the address of the job. */
#define wa0 s0
#define wa1 s1
#define wa2 s2
#define wb0 s3
#define wb1 s4
#define wb2 s5
#define fa s6
#define fb s7
#define ma s8
#define mb s9
#define ka s10
#define kb s11
#define la a0
#define lb a1
#define shift a2
#define mask_b a3
#define mask_a a4
#define in a5
#define to_second a6
#define to_third a7
#define to_next t0
#define out t1
#define out_stride t2
#define va t3
#define vb t5

/* The next column as va (lanes a0 b0 c0 -) and vb (a1 b1 c1 c0); uses t4. */
.macro COLUMN
  LHU_INC(t3, in, to_second)
  LHU_INC(t4, in, to_third)
  LHU_INC(t5, in, to_next)
  PACK_H(t3, t4, t3)
  SHUFFLE2_B(t5, t3, mask_b)
  SHUFFLE2_B(t3, t5, mask_a)
.endm

/* The output of the accumulators \a, \b: in t4 and t6 for STORE or, if RAW, stored as they are. */
.macro PRODUCT a, b
  .if RAW
  SW_INC_I(\a, out, 4)
  SW_INC_I(\b, out, 4)
  .else
  mul t4, \a, ka
  mul t6, \b, kb
  ADD_N(t4, la, shift)
  ADD_N(t6, lb, shift)
  CLIP_U8(t4, t4)
  CLIP_U8(t6, t6)
  .endif
.endm

.macro STORE
  .if RAW == 0
  PACKLO_B(t4, t6, t4)
  SH_INC(t4, out, out_stride)
  .endif
.endm

/* Stride 1: a column that finishes \fa, \fb and begins them anew; 20 instructions, 14 if RAW. */
.macro STEP fa, fb, ma, mb
  COLUMN
  SDOTUSP_B(\fa, va, wa2)
  SDOTUSP_B(\fb, vb, wb2)
  SDOTUSP_B(\ma, va, wa1)
  SDOTUSP_B(\mb, vb, wb1)
  PRODUCT \fa, \fb
  DOTUSP_B(\fa, va, wa0)
  DOTUSP_B(\fb, vb, wb0)
  STORE
.endm

.macro FUNCTION name
  .text
  .balign 16
  .globl \name
  .type \name, @function
\name:
  addi sp, sp, -FRAME_SIZE
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
  lw t3, RUNS(tp)
  lw t4, N_RUNS(tp)
  lw out, OUT(tp)
  lw out_stride, OUT_STRIDE(tp)
  lw shift, SHIFT(tp)
  lw ka, K(tp)
  lw kb, K + 4(tp)
  lw la, LAMBDA(tp)
  lw lb, LAMBDA + 4(tp)
  li mask_b, 0x00010705
  li mask_a, 0x00070200
  sw t3, FRAME_RUN(sp)
  sw t4, FRAME_RUNS_LEFT(sp)
10: /* for each run */
  lw t3, FRAME_RUN(sp)
  lw t6, RUN_LANES(t3)
  lw wa0, WEIGHTS(tp)
  lw wa1, WEIGHTS + 4(tp)
  lw wa2, WEIGHTS + 8(tp)
  lw wb0, WEIGHTS + 12(tp)
  lw wb1, WEIGHTS + 16(tp)
  lw wb2, WEIGHTS + 20(tp)
  and wa0, wa0, t6
  and wa1, wa1, t6
  and wa2, wa2, t6
  and wb0, wb0, t6
  and wb1, wb1, t6
  and wb2, wb2, t6
  lw in, RUN_IN(t3)
  lw t4, CHANNEL(tp)
  lw t5, RUN_ROWS(t3)
  lw to_second, RUN_TO_SECOND(t3)
  lw to_third, RUN_TO_THIRD(t3)
  lw to_next, RUN_TO_NEXT(t3)
  add in, in, t4
  sw t5, FRAME_ROWS_LEFT(sp)
20: /* for each output row */
  sw in, FRAME_ROW(sp)
  lw t4, FIRST(tp)
  li fa, 0
  li fb, 0
.endm

.macro END_FUNCTION name
  lw t3, FRAME_ROWS_LEFT(sp)
  lw in, FRAME_ROW(sp)
  lw t4, ROW_STEP(tp)
  addi t3, t3, -1
  sw t3, FRAME_ROWS_LEFT(sp)
  add in, in, t4
  bnez t3, 20b
  lw t4, FRAME_RUNS_LEFT(sp)
  lw t3, FRAME_RUN(sp)
  addi t4, t4, -1
  addi t3, t3, RUN_SIZE
  sw t4, FRAME_RUNS_LEFT(sp)
  sw t3, FRAME_RUN(sp)
  bnez t4, 10b
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
  addi sp, sp, FRAME_SIZE
  ret
  .size \name, . - \name
.endm

.macro STRIDE1 name
FUNCTION \name
  beqz t4, 1f
  COLUMN
  DOTUSP_B(fa, va, wa0)
  DOTUSP_B(fb, vb, wb0)
1:
  lw t6, WHOLE(tp)
  COLUMN
  SDOTUSP_B(fa, va, wa1)
  SDOTUSP_B(fb, vb, wb1)
  DOTUSP_B(ma, va, wa0)
  DOTUSP_B(mb, vb, wb0)
  srli ra, t6, 1
  beqz ra, 2f
  .balign 4
  .option push
  .option norvc
  LOOP(0, ra, 40 - 12 * RAW)
  STEP fa, fb, ma, mb
  STEP ma, mb, fa, fb
  .option pop
2:
  lw t4, WHOLE(tp)
  lw ra, LAST(tp)
  andi t4, t4, 1
  beqz t4, 3f
  STEP fa, fb, ma, mb
  beqz ra, 4f
  PRODUCT ma, mb
  STORE
  j 4f
3:
  beqz ra, 4f
  PRODUCT fa, fb
  STORE
4:
END_FUNCTION \name
.endm

.macro STRIDE2 name
FUNCTION \name
  lw ra, WHOLE(tp)
  beqz t4, 1f
  COLUMN
  DOTUSP_B(fa, va, wa0)
  DOTUSP_B(fb, vb, wb0)
1:
  beqz ra, 2f
  .balign 4
  .option push
  .option norvc
  LOOP(0, ra, 26 - 6 * RAW)
  COLUMN
  SDOTUSP_B(fa, va, wa1)
  SDOTUSP_B(fb, vb, wb1)
  COLUMN
  SDOTUSP_B(fa, va, wa2)
  SDOTUSP_B(fb, vb, wb2)
  PRODUCT fa, fb
  DOTUSP_B(fa, va, wa0)
  DOTUSP_B(fb, vb, wb0)
  STORE
  .option pop
2:
  lw ra, LAST(tp)
  beqz ra, 4f
  COLUMN
  SDOTUSP_B(fa, va, wa1)
  SDOTUSP_B(fb, vb, wb1)
  PRODUCT fa, fb
  STORE
4:
END_FUNCTION \name
.endm

.set RAW, 0
STRIDE1 pulp_depthwise3_stride1
STRIDE2 pulp_depthwise3_stride2
.set RAW, 1
STRIDE1 pulp_depthwise3_raw_stride1
STRIDE2 pulp_depthwise3_raw_stride2
#endif

/* pulp_depthwise3_*: see depthwise3.h. */
#if defined(__riscv)
#include "xpulp.S.h"

/* Offsets in pulp_depthwise3_t */
#define RUNS 0
#define RUNS_END 4
#define PAIRS 8
#define WEIGHT 12
#define K 16
#define LAMBDA 20
#define CHANNEL 24
#define OUT 28
#define OUT_STRIDE 32
#define ROW_GAP 36
#define FLAGS 40
#define STEPS 44
#define SHIFT 48
#define RUN 52
#define LOW_BITS 56

#define FLAG_FIRST 1
#define FLAG_ODD 2
#define FLAG_LAST 4

/* Offsets in pulp_rows_t */
#define RUN_IN 0
#define RUN_ROWS 4
#define RUN_PITCH 8
#define RUN_TO_NEXT 12
#define RUN_SECOND_LANES 16
#define RUN_FIRST_LANES 20
#define RUN_SIZE 24

#define FRAME_SIZE 64

/* Weights of columns 0, 1, 2 of channel A and B; accumulators of the output that the next column finishes (fa,
 * fb) and of the one after it (ma, mb); k and lambda, of which lha, lhb are the upper halves if WIDE; kla, klb
 * are the lower parts of k times a power of two, so that they have 12 bits, if SPLIT. tp holds the address of the
 * job. */
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
#define lanes_b a3
#define lanes_a a4
#define in a5
#define pitch a6
#define lha a7
#define lhb ra
#define kla a7
#define klb ra
#define steps a7 /* if narrow */
#define flags ra
#define to_next t0
#define out t1
#define out_stride t2
#define va t3
#define vb t5

/* The next column as va (lanes a0 b0 c0 -) and vb (a1 b1 c1 c0); uses t4. */
.macro COLUMN
  LHU_INC(t3, in, pitch)
  LHU_INC(t4, in, pitch)
  LHU_INC(t5, in, to_next)
  PACK_H(t3, t4, t3)
  SHUFFLE2_B(t5, t3, lanes_b)
  SHUFFLE2_B(t3, t5, lanes_a)
.endm

/* The output of accumulator \acc in t6. */
.macro WIDE_PRODUCT acc, k, low, high
  mulh t6, \acc, \k
  mul t4, \acc, \k
  add t4, t4, \low
  sltu t4, t4, \low
  add t6, t6, \high
  add t6, t6, t4
  sra t6, t6, shift
  CLIP_U8(t6, t6)
.endm

/* The output of the accumulators \a, \b, which STORE stores; together 8 instructions, 12 if SPLIT, 19 if WIDE. */
.macro PRODUCT a, b
  .if WIDE
  WIDE_PRODUCT \a, ka, la, lha
  sb t6, 0(out)
  WIDE_PRODUCT \b, kb, lb, lhb
  .else
  .if SPLIT
  mul t4, \a, kla
  mul t6, \b, klb
  srai t4, t4, 12
  srai t6, t6, 12
  MAC(t4, \a, ka)
  MAC(t6, \b, kb)
  .else
  mul t4, \a, ka
  mul t6, \b, kb
  .endif
  ADD_N(t4, la, shift)
  ADD_N(t6, lb, shift)
  CLIP_U8(t4, t4)
  CLIP_U8(t6, t6)
  .endif
.endm

.macro STORE
  .if WIDE
  sb t6, 1(out)
  add out, out, out_stride
  .else
  PACKLO_B(t4, t6, t4)
  SH_INC(t4, out, out_stride)
  .endif
.endm

/* Stride 1: a column that finishes \fa, \fb and begins them anew; 20 instructions, 24 if SPLIT, 31 if WIDE. */
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

/* 9 weights at \at(t3) as three vectors of a column each, lane 3 zero; uses t5, t6. */
.macro WEIGHTS w0, w1, w2, at
  lw \w2, \at(t3)
  lw t5, \at + 4(t3)
  lbu t6, \at + 8(t3)
  mv \w0, \w2
  mv \w1, \w2
  SHUFFLE2_B(\w0, t5, ma)
  SHUFFLE2_B(\w1, t5, mb)
  SHUFFLE2_B(\w2, t5, fb)
  and \w0, \w0, fa
  and \w1, \w1, fa
  PACKHI_B(\w2, zero, t6)
.endm

/* k in two parts: t6 is how many bits \low gets, t3 what that lacks to 12; uses to_next, which comes later. */
.macro SPLIT_IN_TWO k, low
  sra to_next, \k, t6
  sll \low, to_next, t6
  sub \low, \k, \low
  sll \low, \low, t3
  mv \k, to_next
.endm

.macro FUNCTION name
  BEGIN_FUNCTION \name
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
  lw out_stride, OUT_STRIDE(tp)
  lw shift, SHIFT(tp)
  .if WIDE + SPLIT == 0
  lw steps, STEPS(tp)
  lw flags, FLAGS(tp)
  .endif
10: /* for each pair of channels */
  lw t3, WEIGHT(tp)
  li ma, 0x00060300
  li mb, 0x00070401
  li fb, 0x00000502
  li fa, 0x00ffffff
  WEIGHTS wa0, wa1, wa2, 0
  WEIGHTS wb0, wb1, wb2, 9
  addi t3, t3, 18
  sw t3, WEIGHT(tp)
  lw t4, K(tp)
  lw t5, LAMBDA(tp)
  lw ka, 0(t4)
  lw la, 0(t5)
  lw kb, 4 + 4 * WIDE(t4)
  lw lb, 4 + 4 * WIDE(t5)
  .if WIDE
  lw lha, 4(t5)
  lw lhb, 12(t5)
  .endif
  .if SPLIT
  lw t6, LOW_BITS(tp)
  li t3, 12
  sub t3, t3, t6
  SPLIT_IN_TWO ka, kla
  SPLIT_IN_TWO kb, klb
  .endif
  addi t4, t4, 8 + 8 * WIDE
  addi t5, t5, 8 + 8 * WIDE
  sw t4, K(tp)
  sw t5, LAMBDA(tp)
  lw out, OUT(tp)
  lw t3, RUNS(tp)
  addi t4, out, 2
  sw t4, OUT(tp)
20: /* for each run of rows */
  lw in, RUN_IN(t3)
  lw t4, CHANNEL(tp)
  lw t5, RUN_ROWS(t3)
  lw pitch, RUN_PITCH(t3)
  lw to_next, RUN_TO_NEXT(t3)
  lw lanes_b, RUN_SECOND_LANES(t3)
  lw lanes_a, RUN_FIRST_LANES(t3)
  addi t3, t3, RUN_SIZE
  sw t3, RUN(tp)
  add in, in, t4
  li fa, 0
  li fb, 0
.endm

.macro END_FUNCTION name
  lw t3, RUN(tp)
  lw t4, RUNS_END(tp)
  lw t5, PAIRS(tp)
  bne t3, t4, 20b
  lw t4, CHANNEL(tp)
  addi t5, t5, -1
  sw t5, PAIRS(tp)
  addi t4, t4, 2
  sw t4, CHANNEL(tp)
  bnez t5, 10b
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
  FINISH_FUNCTION \name
.endm

/* To label \to unless the job has \flag; 2 instructions, 3 unless narrow. */
.macro UNLESS flag, to
  .if WIDE + SPLIT
  lw t4, FLAGS(tp)
  andi t4, t4, \flag
  .else
  andi t4, flags, \flag
  .endif
  beqz t4, \to
.endm

/* The loop over the \words instructions behind it; 1 instruction, 2 unless narrow. */
.macro FOR_EACH_STEP words
  .if WIDE + SPLIT
  lw t6, STEPS(tp)
  LOOP(0, t6, \words)
  .else
  LOOP(0, steps, \words)
  .endif
.endm

/* Each row begins with fa = fb = 0. */
.macro STRIDE1 name
FUNCTION \name
  .balign 4
  .option push
  .option norvc
  LOOP(1, t5, 103 + 48 * WIDE + 21 * SPLIT)
  UNLESS FLAG_FIRST, 1f
  COLUMN
  DOTUSP_B(fa, va, wa0)
  DOTUSP_B(fb, vb, wb0)
1:
  COLUMN
  SDOTUSP_B(fa, va, wa1)
  SDOTUSP_B(fb, vb, wb1)
  DOTUSP_B(ma, va, wa0)
  DOTUSP_B(mb, vb, wb0)
  FOR_EACH_STEP 40 + 22 * WIDE + 8 * SPLIT
  STEP fa, fb, ma, mb
  STEP ma, mb, fa, fb
  UNLESS FLAG_ODD, 3f
  STEP fa, fb, ma, mb
  UNLESS FLAG_LAST, 4f
  mv fa, ma
  mv fb, mb
  j 5f
3:
  UNLESS FLAG_LAST, 4f
5:
  PRODUCT fa, fb
  STORE
4:
  lw t4, ROW_GAP(tp)
  li fa, 0
  li fb, 0
  add in, in, t4
  .option pop
END_FUNCTION \name
.endm

.macro STRIDE2 name
FUNCTION \name
  .balign 4
  .option push
  .option norvc
  LOOP(1, t5, 59 + 25 * WIDE + 11 * SPLIT)
  UNLESS FLAG_FIRST, 1f
  COLUMN
  DOTUSP_B(fa, va, wa0)
  DOTUSP_B(fb, vb, wb0)
1:
  FOR_EACH_STEP 26 + 11 * WIDE + 4 * SPLIT
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
  UNLESS FLAG_LAST, 4f
  COLUMN
  SDOTUSP_B(fa, va, wa1)
  SDOTUSP_B(fb, vb, wb1)
  PRODUCT fa, fb
  STORE
4:
  lw t4, ROW_GAP(tp)
  li fa, 0
  li fb, 0
  add in, in, t4
  .option pop
END_FUNCTION \name
.endm

.set WIDE, 0
.set SPLIT, 0
STRIDE1 pulp_depthwise3_stride1
STRIDE2 pulp_depthwise3_stride2
.set SPLIT, 1
STRIDE1 pulp_depthwise3_split_stride1
STRIDE2 pulp_depthwise3_split_stride2
.set SPLIT, 0
.set WIDE, 1
STRIDE1 pulp_depthwise3_wide_stride1
STRIDE2 pulp_depthwise3_wide_stride2
#endif

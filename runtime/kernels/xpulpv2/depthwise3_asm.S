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

/* A place in the frame behind the saved registers, for `entry` unless narrow. */
#define ENTRY 56
#define FRAME_SIZE 64

/* Weights of columns 0, 1, 2 of channel A and B; accumulators of the output that the next column finishes (fa,
 * fb) and of the one after it (ma, mb); k and lambda, of which lha, lhb are the upper halves if WIDE; kla, klb
 * are the lower parts of k times a power of two, so that they have 12 bits, if SPLIT. A job's address is in a
 * register that short instructions know: what a pair of channels takes fits the cores' caches of 512 bytes. */
#define job s1
#define wa0 s0
#define wa1 tp
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
#define flags ra /* if narrow and of stride 2 */
#define entry ra /* if narrow and of stride 1: where rows begin */
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

/* 9 weights at \at(a3) as three vectors of a column each, lane 3 zero: lanes 0 and 3 of a word and the first lane
 * of what is behind it; uses t4, t5, t6. */
.macro WEIGHTS w0, w1, w2, at
  lw \w0, \at(a3)
  lw \w1, \at + 1(a3)
  lw \w2, \at + 2(a3)
  lhu t4, \at + 6(a3)
  lhu t5, \at + 7(a3)
  lbu t6, \at + 8(a3)
  SHUFFLE2_B(\w0, t4, ma)
  SHUFFLE2_B(\w1, t5, ma)
  SHUFFLE2_B(\w2, t6, ma)
.endm

/* k in two parts: t6 is how many bits \low gets, t3 what that lacks to 12; uses to_next, which comes later. */
.macro SPLIT_IN_TWO k, low
  sra to_next, \k, t6
  sll \low, to_next, t6
  sub \low, \k, \low
  sll \low, \low, t3
  mv \k, to_next
.endm

.macro BEGIN name, stride
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
  mv job, a0
  lw out_stride, OUT_STRIDE(job)
  lw shift, SHIFT(job)
  .if \stride == 1
  FIND_ENTRY
  .elseif WIDE + SPLIT == 0
  lw flags, FLAGS(job)
  .endif
  .if WIDE + SPLIT == 0
  lw steps, STEPS(job)
  .endif
  .if \stride == 2
  li fa, 0 /* as at the beginning of each row */
  li fb, 0
  .endif
  .balign 16
10: /* for each pair of channels */
  lw a3, WEIGHT(job)
  li ma, 0x06040300
  WEIGHTS wa0, wa1, wa2, 0
  WEIGHTS wb0, wb1, wb2, 9
  addi a3, a3, 18
  sw a3, WEIGHT(job)
  lw a4, K(job)
  lw a5, LAMBDA(job)
  lw ka, 0(a4)
  lw la, 0(a5)
  lw kb, 4 + 4 * WIDE(a4)
  lw lb, 4 + 4 * WIDE(a5)
  .if WIDE
  lw lha, 4(a5)
  lw lhb, 12(a5)
  .endif
  .if SPLIT
  lw t6, LOW_BITS(job)
  li t3, 12
  sub t3, t3, t6
  SPLIT_IN_TWO ka, kla
  SPLIT_IN_TWO kb, klb
  .endif
  addi a4, a4, 8 + 8 * WIDE
  addi a5, a5, 8 + 8 * WIDE
  sw a4, K(job)
  sw a5, LAMBDA(job)
  lw out, OUT(job)
  lw a4, RUNS(job)
  addi a3, out, 2
  sw a3, OUT(job)
20: /* for each run of rows */
  lw in, RUN_IN(a4)
  lw a3, CHANNEL(job)
  lw t5, RUN_ROWS(a4)
  lw pitch, RUN_PITCH(a4)
  lw to_next, RUN_TO_NEXT(a4)
  add in, in, a3
  addi a3, a4, RUN_SIZE
  sw a3, RUN(job)
  lw lanes_b, RUN_SECOND_LANES(a4)
  lw lanes_a, RUN_FIRST_LANES(a4)
.endm

.macro END
  lw a4, RUN(job)
  lw a3, RUNS_END(job)
  bne a4, a3, 20b
  lw a5, PAIRS(job)
  lw a3, CHANNEL(job)
  addi a5, a5, -1
  addi a3, a3, 2
  sw a5, PAIRS(job)
  sw a3, CHANNEL(job)
  bnez a5, 10b
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
.endm

/* The job's \flag in t4; 1 instruction, 2 unless narrow. */
.macro FLAG flag
  .if WIDE + SPLIT
  lw t4, FLAGS(job)
  andi t4, t4, \flag
  .else
  andi t4, flags, \flag
  .endif
.endm

/* Before a row's loop: how often it runs; 1 instruction, 2 unless narrow. */
.macro COUNT_STEPS
  .if WIDE + SPLIT
  lw t6, STEPS(job)
  LOOP_COUNT(0, t6)
  .else
  LOOP_COUNT(0, steps)
  .endif
.endm

/* A column left of the first window's middle, if it is in the map: where padding comes instead, this is out of the
 * way. */
.macro FIRST_COLUMN
  .balign 4
  .option push
  .option norvc
8:
  COLUMN
  DOTUSP_B(fa, va, wa0)
  DOTUSP_B(fb, vb, wb0)
  j 1b
  .option pop
.endm

/* To the next row, which begins with fa = fb = 0; 4 instructions. */
.macro NEXT_ROW
  lw t4, ROW_GAP(job)
  li fa, 0
  li fb, 0
  add in, in, t4
.endm

/* Where rows begin, if they do as \flags say, or else at the next of these. */
.macro ENTRY_IF flags, to
  lla t6, \to
  li t3, \flags
  beq t5, t3, 9f
.endm

/* Where rows begin, with FLAG_LAST as its lowest bit, which a jump ignores. */
.macro FIND_ENTRY
  lw t4, FLAGS(job)
  andi t5, t4, FLAG_FIRST | FLAG_ODD
  ENTRY_IF 0, 5f
  ENTRY_IF FLAG_FIRST, 6f
  ENTRY_IF FLAG_ODD, 7f
  lla t6, 8f
9:
  srli t4, t4, 2
  or t6, t6, t4
  .if WIDE + SPLIT
  sw t6, ENTRY(sp)
  .else
  mv entry, t6
  .endif
.endm

/* To where rows begin; 1 instruction, 2 unless narrow. */
.macro JUMP_TO_ENTRY
  .if WIDE + SPLIT
  lw t4, ENTRY(sp)
  jr t4
  .else
  jr entry
  .endif
.endm

/* FLAG_LAST as 1 in t4; 1 instruction, 2 unless narrow. */
.macro IS_LAST
  .if WIDE + SPLIT
  lw t4, ENTRY(sp)
  andi t4, t4, 1
  .else
  andi t4, entry, 1
  .endif
.endm

/* The columns of the first output and the loop's count. The first output comes to be in \fa, \fb; then to \to. */
.macro BEGIN_ROW first, fa, fb, ma, mb, to
  .if \first
  COLUMN
  DOTUSP_B(\fa, va, wa0)
  DOTUSP_B(\fb, vb, wb0)
  .endif
  COLUMN
  COUNT_STEPS
  .if \first
  SDOTUSP_B(\fa, va, wa1)
  SDOTUSP_B(\fb, vb, wb1)
  .else
  DOTUSP_B(\fa, va, wa1)
  DOTUSP_B(\fb, vb, wb1)
  .endif
  DOTUSP_B(\ma, va, wa0)
  DOTUSP_B(\mb, vb, wb0)
  j \to
.endm

/* The loop is two steps. An odd number of windows begins with the second one, so that fa, fb are those that come
 * next at the end. How a row begins is told once: each way is out of the way of the others. */
.macro STRIDE1 name
BEGIN \name, 1
  .balign 4
  .option push
  .option norvc
  LOOP_START(0, 4 + (WIDE + SPLIT))
  LOOP_END(0, 42 + 23 * WIDE + 9 * SPLIT)
  LOOP(1, t5, 53 + 35 * WIDE + 14 * SPLIT)
  JUMP_TO_ENTRY
2:
  STEP fa, fb, ma, mb
3:
  STEP ma, mb, fa, fb
  IS_LAST
  lw t3, ROW_GAP(job)
  beqz t4, 4f
  PRODUCT fa, fb
  STORE
4:
  add in, in, t3
  .option pop
END
  .balign 16
  .option push
  .option norvc
5:
  BEGIN_ROW 0, fa, fb, ma, mb, 2b
6:
  BEGIN_ROW 1, fa, fb, ma, mb, 2b
7:
  BEGIN_ROW 0, ma, mb, fa, fb, 3b
8:
  BEGIN_ROW 1, ma, mb, fa, fb, 3b
  .option pop
FINISH_FUNCTION \name
.endm

.macro STRIDE2 name
BEGIN \name, 2
  .balign 4
  .option push
  .option norvc
  LOOP_START(0, 6 + 2 * (WIDE + SPLIT))
  LOOP_END(0, 30 + 13 * WIDE + 6 * SPLIT)
  LOOP(1, t5, 35 + 14 * WIDE + 7 * SPLIT)
  FLAG FLAG_FIRST
  bnez t4, 8f
1:
  COUNT_STEPS
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
  FLAG FLAG_LAST
  bnez t4, 9f
4:
  NEXT_ROW
  .option pop
END
FIRST_COLUMN
  .option push
  .option norvc
9:
  COLUMN
  SDOTUSP_B(fa, va, wa1)
  SDOTUSP_B(fb, vb, wb1)
  PRODUCT fa, fb
  STORE
  j 4b
  .option pop
FINISH_FUNCTION \name
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

/* pulp_block_*: 4 output channels x n pixels at a time, see block.h. */
#if defined(__riscv)
#include "xpulp.S.h"

/* Offsets in pulp_block_t, of which the stack frame holds a copy, too. */
#define X 0
#define W 4
#define OUT 8
#define K 12
#define LAMBDA 16
#define BLOCKS 20
#define GROUPS 24
#define X_STRIDE 28
#define W_STRIDE 32
#define X_BACK 36
#define W_BACK 40
#define WORDS 44
#define ROWS 48
#define X_SKIP 52
#define W_SKIP 56
#define W_STEP 60
#define OUT_STRIDE 64
#define SHIFT 68
#define LOW_BITS 72
#define LINES 76
#define X_LINE 80
#define OUT_LINE 84

/* In place of BLOCKS, the frame has the address of the multipliers behind the last block's. */
#define K_END BLOCKS

/* Further places in the frame: the address of the pulp_block_t, the group's first output, the line's first
 * window and output, the address of what computes a group, saved registers. */
#define BLOCK_AT 88
#define OUT_FIRST 92
#define LINE_X 96
#define LINE_OUT 100
#define COMPUTE 104
#define SAVED 108
#define FRAME_SIZE 176

#define x a4
#define w a5
#define x_stride a6
#define w_stride a7
#define x_back t6
#define w_back ra
#define word_count tp /* in compute_* of SPLIT the mask of k's lower bits */

/* What becomes of the accumulators */
#define NARROW 0
#define WIDE 1
#define SUMS 2
#define SPLIT 3
#define ADD 4

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

/* A word of \n pixels and of 4 channels, added to the sums: 4 + 5 * \n instructions. */
.macro WORD_OF n
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

/* Two accumulators, or one, of REQUANT_SPLIT. */
.macro SPLIT_PAIR a, b
  mul w, \a, t5
  .ifnb \b
  mul x_back, \b, t5
  .endif
  sra w, w, t3
  .ifnb \b
  sra x_back, x_back, t3
  .endif
  MAC(w, \a, x)
  .ifnb \b
  MAC(x_back, \b, x)
  .endif
  ADD_N(w, t4, t2)
  .ifnb \b
  ADD_N(x_back, t4, t2)
  .endif
  CLIP_U8(\a, w)
  .ifnb \b
  CLIP_U8(\b, x_back)
  .endif
.endm

/* The same as REQUANT with k in two parts, x and t5: the number of the lower's bits in t3, their mask in tp; uses w
 * and x_back. */
.macro REQUANT_SPLIT a, b, c, d
  LW_INC_I(x, t0, 4)
  LW_INC_I(t4, t1, 4)
  and t5, x, tp
  sra x, x, t3
  SPLIT_PAIR \a, \b
  .ifnb \c
  SPLIT_PAIR \c, \d
  .endif
.endm

.macro REQUANT_ANY regs:vararg
  .if MODE == SPLIT
  REQUANT_SPLIT \regs
  .else
  REQUANT \regs
  .endif
.endm

/* The accumulators of channel \channel, requantized in 64 bits; the shift beyond 32 in x. */
.macro REQUANT_WIDE channel, regs:vararg
  lw t0, K(sp)
  lw t5, LAMBDA(sp)
  lw t1, 8 * \channel(t0)
  lw t2, 8 * \channel + 4(t0)
  lw t3, 8 * \channel(t5)
  lw t4, 8 * \channel + 4(t5)
  .irp reg, \regs
  mulhsu t0, \reg, t1
  mul t5, \reg, t2
  mul \reg, \reg, t1
  add t0, t0, t5
  add \reg, \reg, t3
  sltu t5, \reg, t3
  add t0, t0, t4
  add t0, t0, t5
  sra \reg, t0, x
  CLIP_U8(\reg, \reg)
  .endr
.endm

/* Four channels of a pixel as a word; t3: where, t5: distance to the next pixel's. */
.macro STORE a0, a1, a2, a3
  PACKLO_B(\a0, \a1, \a0)
  PACKHI_B(\a0, \a3, \a2)
  SW_INC(\a0, t3, t5)
.endm

/* Four accumulators; t3: where. */
.macro STORE_RAW regs:vararg
  .irp reg, \regs
  SW_INC_I(\reg, t3, 4)
  .endr
.endm

/* Added to the sums that are there; t3: where, t5: distance to the next pixel's. */
.macro ADD_TO a0, a1, a2, a3
  lw t1, 0(t3)
  lw t4, 4(t3)
  lw x, 8(t3)
  add \a0, \a0, t1
  lw t1, 12(t3)
  add \a1, \a1, t4
  add \a2, \a2, x
  add \a3, \a3, t1
  sw \a0, 0(t3)
  sw \a1, 4(t3)
  sw \a2, 8(t3)
  sw \a3, 12(t3)
  add t3, t3, t5
.endm

/* Four channels of a pixel; t3: where, t5: distance to the next pixel's. */
.macro PUT regs:vararg
  .if MODE == ADD
  ADD_TO \regs
  .else
  STORE \regs
  .endif
.endm

/* What the fourth pixel's word, in t5, adds to its sums, and in between the next word of the first pixel and of
 * the weights. Where the pixels' and channels' distances are multiples of 64 bytes, all these words lie in the
 * same bank of the memory: cores that load at the same time get out of each other's way once, after which each
 * loads while the other multiplies. */
.macro FOURTH_PIXEL
  LW_INC(t4, x, x_stride)
  SDOTUSP_B(a0, t5, t0)
  LW_INC(t0, w, w_stride)
  SDOTUSP_B(a1, t5, t1)
  LW_INC(t1, w, w_stride)
  SDOTUSP_B(a2, t5, t2)
  LW_INC(t2, w, w_stride)
  SDOTUSP_B(a3, t5, t3)
  LW_INC(t3, w, w_back)
.endm

/* The products of the other three with the weights, and the fourth's word. */
.macro THREE_PIXELS as
  DOTUSP_AS(\as, s0, t4, t0)
  DOTUSP_AS(\as, s1, t4, t1)
  LW_INC(t5, x, x_stride)
  DOTUSP_AS(\as, s2, t4, t2)
  DOTUSP_AS(\as, s3, t4, t3)
  DOTUSP_AS(\as, s4, t5, t0)
  LW_INC(t4, x, x_stride)
  DOTUSP_AS(\as, s5, t5, t1)
  DOTUSP_AS(\as, s6, t5, t2)
  DOTUSP_AS(\as, s7, t5, t3)
  DOTUSP_AS(\as, s8, t4, t0)
  LW_INC(t5, x, x_back)
  DOTUSP_AS(\as, s9, t4, t1)
  DOTUSP_AS(\as, s10, t4, t2)
  DOTUSP_AS(\as, s11, t4, t3)
.endm

/* Sums of four pixels' windows, of one row of at least two words. */
.macro SUM_ROW
  lw x, X(sp)
  ZERO a0, a1, a2, a3
  .balign 4
  .option push
  .option norvc
  LW_INC(t4, x, x_stride)
  WEIGHTS
  THREE_PIXELS DOT
  .if MODE == SPLIT
  lw t4, WORDS(sp)
  LOOP(0, t4, 24)
  .else
  LOOP(0, word_count, 24)
  .endif
  FOURTH_PIXEL
  THREE_PIXELS SUM_DOT
  DOTS t5, a0, a1, a2, a3
  .option pop
.endm

/* Sums of \n pixels' windows of any number of rows and words. */
.macro SUM_ROWS n
  lw t0, ROWS(sp)
  lw x, X(sp)
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
  .if MODE == SPLIT
  LOOP(1, t0, 6 + length)
  lw t0, WORDS(sp)
  LOOP(0, t0, length)
  .else
  LOOP(1, t0, 5 + length)
  LOOP(0, word_count, length)
  .endif
  WORD_OF \n
  lw t0, X_SKIP(sp)
  lw t1, W_SKIP(sp)
  add x, x, t0
  add w, w, t1
  .option pop
.endm

/* What all functions have in common: the setting up, the groups of pixels and the lines. a0: the pulp_block_t, a1:
 * what computes a group of pixels and comes back to next_group, a2: 1 if its windows have one row, a3: the
 * logarithm of the bytes of a block's multipliers. It is shared for the sake of the instruction cache. */
  .text
  .balign 16
groups:
  addi sp, sp, -FRAME_SIZE
  SAVE_FROM SAVED, sw, ra, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
  lw s0, X(a0)
  lw s1, OUT(a0)
  lw s2, GROUPS(a0)
  lw x_stride, X_STRIDE(a0)
  lw w_stride, W_STRIDE(a0)
  lw x_back, X_BACK(a0)
  lw w_back, W_BACK(a0)
  lw word_count, WORDS(a0)
  lw s3, ROWS(a0)
  lw s4, X_SKIP(a0)
  lw s5, W_SKIP(a0)
  lw s6, W_STEP(a0)
  lw s7, OUT_STRIDE(a0)
  lw s8, SHIFT(a0)
  lw s9, LINES(a0)
  lw s10, K(a0)
  lw s11, BLOCKS(a0)
  lw t0, LOW_BITS(a0)
  sub word_count, word_count, a2 /* but for the first word of one row */
  neg a2, a2
  and a2, a2, s5
  add s6, s6, a2
  sll s11, s11, a3
  add s10, s10, s11
  sw a0, BLOCK_AT(sp)
  sw a1, COMPUTE(sp)
  sw s0, X(sp)
  sw s0, LINE_X(sp)
  sw s1, OUT_FIRST(sp)
  sw s1, LINE_OUT(sp)
  sw s2, GROUPS(sp)
  sw x_back, X_BACK(sp)
  sw word_count, WORDS(sp)
  sw s3, ROWS(sp)
  sw s4, X_SKIP(sp)
  sw s5, W_SKIP(sp)
  sw s6, W_STEP(sp)
  sw s7, OUT_STRIDE(sp)
  sw s8, SHIFT(sp)
  sw s9, LINES(sp)
  sw s10, K_END(sp)
  sw t0, LOW_BITS(sp)
10: /* for each group of pixels */
  lw t0, BLOCK_AT(sp)
  lw t1, OUT_FIRST(sp)
  lw t4, COMPUTE(sp)
  lw w, W(t0)
  lw t2, K(t0)
  lw t3, LAMBDA(t0)
  sw t1, OUT(sp)
  sw t2, K(sp)
  sw t3, LAMBDA(sp)
  jr t4
next_group:
  lw t0, GROUPS(sp)
  lw t1, OUT_FIRST(sp)
  lw t2, OUT_STRIDE(sp)
  lw t3, X(sp)
  addi t0, t0, -1
  slli t2, t2, 2
  slli t4, x_stride, 2
  add t1, t1, t2
  add t3, t3, t4
  sw t0, GROUPS(sp)
  sw t1, OUT_FIRST(sp)
  sw t3, X(sp)
  bnez t0, 10b
  lw t0, LINES(sp)
  lw t1, BLOCK_AT(sp)
  lw t2, LINE_X(sp)
  lw t3, LINE_OUT(sp)
  addi t0, t0, -1
  beqz t0, 30f
  sw t0, LINES(sp)
  lw t4, X_LINE(t1)
  lw t5, OUT_LINE(t1)
  lw t0, GROUPS(t1)
  add t2, t2, t4
  add t3, t3, t5
  sw t2, LINE_X(sp)
  sw t2, X(sp)
  sw t3, LINE_OUT(sp)
  sw t3, OUT_FIRST(sp)
  sw t0, GROUPS(sp)
  j 10b
30:
  SAVE_FROM SAVED, lw, ra, tp, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
  addi sp, sp, FRAME_SIZE
  ret

/* The function \name for groups of \n pixels. */
.macro BLOCK name, n
  .set length, 4 + 5 * \n
  BEGIN_FUNCTION \name
  la a1, compute_\name
  li a2, ONE_ROW
  li a3, K_LOG
  j groups
  .balign 16 /* for one row, the loop just fits the cache next to the core, 512 bytes */
compute_\name:
  .if MODE == SPLIT
  lw t0, LOW_BITS(sp)
  li tp, 1
  sll tp, tp, t0
  addi tp, tp, -1
  .endif
20: /* for each block of channels */
  .if ONE_ROW
  SUM_ROW
  .else
  SUM_ROWS \n
  .endif
  .if MODE == SUMS
  lw t3, OUT(sp)
  STORE_RAW s0, s1, s2, s3
  .if \n > 1
  STORE_RAW s4, s5, s6, s7
  .endif
  .if \n > 2
  STORE_RAW s8, s9, s10, s11
  .endif
  .if \n > 3
  STORE_RAW a0, a1, a2, a3
  .endif
  .else
  .if MODE == WIDE
  lw x, SHIFT(sp)
  .if \n == 1
  REQUANT_WIDE 0, s0
  REQUANT_WIDE 1, s1
  REQUANT_WIDE 2, s2
  REQUANT_WIDE 3, s3
  .elseif \n == 2
  REQUANT_WIDE 0, s0, s4
  REQUANT_WIDE 1, s1, s5
  REQUANT_WIDE 2, s2, s6
  REQUANT_WIDE 3, s3, s7
  .elseif \n == 3
  REQUANT_WIDE 0, s0, s4, s8
  REQUANT_WIDE 1, s1, s5, s9
  REQUANT_WIDE 2, s2, s6, s10
  REQUANT_WIDE 3, s3, s7, s11
  .else
  REQUANT_WIDE 0, s0, s4, s8, a0
  REQUANT_WIDE 1, s1, s5, s9, a1
  REQUANT_WIDE 2, s2, s6, s10, a2
  REQUANT_WIDE 3, s3, s7, s11, a3
  .endif
  lw t0, K(sp)
  lw t1, LAMBDA(sp)
  lw t3, OUT(sp)
  addi t0, t0, 32
  addi t1, t1, 32
  .elseif MODE == ADD
  lw t0, K(sp)
  lw t3, OUT(sp)
  addi t0, t0, 16 /* not multipliers: it counts blocks */
  .else
  lw t0, K(sp)
  lw t1, LAMBDA(sp)
  lw t2, SHIFT(sp)
  .if MODE == SPLIT
  sw w, W(sp)
  lw t3, LOW_BITS(sp)
  .else
  lw t3, OUT(sp)
  .endif
  .if \n == 1
  REQUANT_ANY s0
  REQUANT_ANY s1
  REQUANT_ANY s2
  REQUANT_ANY s3
  .elseif \n == 2
  REQUANT_ANY s0, s4
  REQUANT_ANY s1, s5
  REQUANT_ANY s2, s6
  REQUANT_ANY s3, s7
  .elseif \n == 3
  REQUANT_ANY s0, s4, s8
  REQUANT_ANY s1, s5, s9
  REQUANT_ANY s2, s6, s10
  REQUANT_ANY s3, s7, s11
  .else
  REQUANT_ANY s0, s4, s8, a0
  REQUANT_ANY s1, s5, s9, a1
  REQUANT_ANY s2, s6, s10, a2
  REQUANT_ANY s3, s7, s11, a3
  .endif
  .if MODE == SPLIT
  lw w, W(sp)
  lw x_back, X_BACK(sp)
  lw t3, OUT(sp)
  .endif
  .endif
  lw t5, OUT_STRIDE(sp)
  lw t2, W_STEP(sp)
  .if MODE == ADD
  addi t4, t3, 16
  .else
  addi t4, t3, 4
  sw t1, LAMBDA(sp)
  .endif
  sw t4, OUT(sp)
  sw t0, K(sp)
  PUT s0, s1, s2, s3
  .if \n > 1
  PUT s4, s5, s6, s7
  .endif
  .if \n > 2
  PUT s8, s9, s10, s11
  .endif
  .if \n > 3
  PUT a0, a1, a2, a3
  .endif
  lw t1, K_END(sp)
  add w, w, t2
  bne t0, t1, 20b
  .endif
  j next_group
  FINISH_FUNCTION \name
.endm

.set ONE_ROW, 0
/* Logarithm of the bytes of a block's multipliers */
.set K_LOG, 4
.set MODE, NARROW
BLOCK pulp_block_1, 1
BLOCK pulp_block_2, 2
BLOCK pulp_block_3, 3
BLOCK pulp_block_4, 4
.set MODE, SPLIT
BLOCK pulp_block_split_1, 1
BLOCK pulp_block_split_2, 2
BLOCK pulp_block_split_3, 3
BLOCK pulp_block_split_4, 4
.set MODE, ADD
BLOCK pulp_block_add_1, 1
BLOCK pulp_block_add_2, 2
BLOCK pulp_block_add_3, 3
BLOCK pulp_block_add_4, 4
.set MODE, SUMS
BLOCK pulp_block_raw_1, 1
BLOCK pulp_block_raw_2, 2
BLOCK pulp_block_raw_3, 3
BLOCK pulp_block_raw_4, 4
.set K_LOG, 5
.set MODE, WIDE
BLOCK pulp_block_wide_1, 1
BLOCK pulp_block_wide_2, 2
BLOCK pulp_block_wide_3, 3
BLOCK pulp_block_wide_4, 4
.set ONE_ROW, 1
.set K_LOG, 4
.set MODE, NARROW
BLOCK pulp_block_row_4, 4
.set MODE, SPLIT
BLOCK pulp_block_split_row_4, 4
.set MODE, ADD
BLOCK pulp_block_add_row_4, 4
#endif

/* XpulpV2 instructions for assembly; increments of loads and stores are registers, those of the I forms
 * numbers. */
#ifndef PULP_XPULP_S_H
#define PULP_XPULP_S_H

#define LW_INC(rd, base, inc) .insn r 0x0b, 7, 0x10, rd, base, inc
#define LHU_INC(rd, base, inc) .insn r 0x0b, 7, 0x28, rd, base, inc
#define LW_INC_I(rd, base, inc) .insn i 0x0b, 2, rd, inc(base)
#define SW_INC(src, base, inc) .insn r 0x2b, 6, 0, inc, base, src
#define SW_INC_I(src, base, inc) .insn s 0x2b, 2, src, inc(base)
#define SB_INC(src, base, inc) .insn r 0x2b, 4, 0, inc, base, src
#define SH_INC(src, base, inc) .insn r 0x2b, 5, 0, inc, base, src
#define DOTUSP_B(rd, u, s) DOTUSP_AS(DOT, rd, u, s)
#define SDOTUSP_B(rd, u, s) DOTUSP_AS(SUM_DOT, rd, u, s)
/* Either of them. */
#define DOTUSP_AS(which, rd, u, s) .insn r 0x57, 1, which, rd, u, s
#define DOT 0x44
#define SUM_DOT 0x54
#define SHUFFLE2_B(rd, a, mask) .insn r 0x57, 1, 0x64, rd, a, mask
#define PACK_H(rd, high, low) .insn r 0x57, 0, 0x68, rd, high, low
#define PACKHI_B(rd, b3, b2) .insn r 0x57, 1, 0x6c, rd, b3, b2
#define PACKLO_B(rd, b1, b0) .insn r 0x57, 1, 0x70, rd, b1, b0
#define MAC(rd, a, b) .insn r 0x33, 0, 0x21, rd, a, b
#define ADD_N(rd, a, shift) .insn r 0x5b, 2, 0x20, rd, a, shift
#define CLIP_U8(rd, a) .insn r 0x33, 2, 0x0a, rd, a, x9
/* Repeats the next `words` 4-byte instructions, which begin 4-byte aligned, `count` (a register, at least 1)
 * times. Level 0 lies inside level 1 and must not end with the same instruction. */
#define LOOP(level, count, words) .insn i 0x7b, 4, x##level, count, 2 * (words)
/* The same in three parts, for a loop that begins `start_words` instructions behind the one that says so and
 * is entered anywhere; `end_words` behind is its last instruction. */
#define LOOP_START(level, start_words) .insn i 0x7b, 0, x##level, x0, 2 * (start_words)
#define LOOP_END(level, end_words) .insn i 0x7b, 1, x##level, x0, 2 * (end_words)
#define LOOP_COUNT(level, count) .insn i 0x7b, 2, x##level, count, 0

/* Around the text of a function. */
/* clang-format off */
.macro BEGIN_FUNCTION name
  .text
  .balign 16
  .globl \name
  .type \name, @function
\name:
.endm

.macro FINISH_FUNCTION name
  .size \name, . - \name
.endm

/* Saves registers on the stack, or restores them, one after the other from \place on: op is sw or lw. */
.macro SAVE_FROM place, op, regs:vararg
  .set saved, \place
  .irp reg, \regs
  \op \reg, saved(sp)
  .set saved, saved + 4
  .endr
.endm
/* clang-format on */

#endif

/* pulp_whole_rows: see rows.h. */
#if defined(__riscv)
#include "xpulp.S.h"

#define x a0
#define w a1
#define words a2
#define stride a3
#define sums a4
#define first a5
#define count a6
#define back a6 /* once the count is known: from the last row's word to the first row's next one */
#define length a7
#define times t0 /* until the loop is set up */
#define x_word t0
#define even t1 /* words of rows 0, 2, ..., and of the others */
#define odd t2

/* Each row's accumulator, of which the first \rows are used. */
.macro FOR_ROWS op, rows
  \op \rows, 0, t3, even
  \op \rows, 1, t4, odd
  \op \rows, 2, t5, even
  \op \rows, 3, t6, odd
  \op \rows, 4, s0, even
  \op \rows, 5, s1, odd
  \op \rows, 6, s2, even
  \op \rows, 7, s3, odd
.endm

.macro ZERO rows, row, acc, word
  .if \row < \rows
  li \acc, 0
  .endif
.endm

.macro LOAD rows, row, word
  .if \row + 1 < \rows
  LW_INC(\word, w, stride)
  .elseif \row + 1 == \rows
  LW_INC(\word, w, back)
  .endif
.endm

/* A row's product, then the load of the word for which that makes room. */
.macro PRODUCT rows, row, acc, word
  .if \row < \rows
  SDOTUSP_B(\acc, x_word, \word)
  LOAD \rows, \row + 2, \word
  .endif
.endm

.macro OUTPUT rows, row, acc, word
  .if \row < \rows
  sw \acc, 4 * \row(sums)
  .endif
.endm

/* If there are \rows rows: from word `first` on to the end, then the words before it. */
.macro IF_ROWS rows
  li x_word, \rows
  bne count, x_word, 1f
  .if \rows > 4
  addi sp, sp, -16
  SAVE_FROM 0, sw, s0, s1, s2, s3
  .endif
  FOR_ROWS ZERO, \rows
  slli even, first, 2
  snez times, first
  add x, x, even
  add w, w, even
  slli length, words, 2
  sub words, words, first
  addi times, times, 1
  li back, \rows - 1
  mul back, back, stride
  neg back, back
  addi back, back, 4
  .balign 4
  .option push
  .option norvc
  LOOP(1, times, 5 + 2 * \rows)
  LOOP(0, words, 1 + 2 * \rows)
  LW_INC_I(x_word, x, 4)
  LOAD \rows, 0, even
  LOAD \rows, 1, odd
  FOR_ROWS PRODUCT, \rows
  sub x, x, length
  sub w, w, length
  mv words, first
  .option pop
  FOR_ROWS OUTPUT, \rows
  .if \rows > 4
  SAVE_FROM 0, lw, s0, s1, s2, s3
  addi sp, sp, 16
  .endif
  ret
1:
.endm

BEGIN_FUNCTION pulp_whole_rows
IF_ROWS 8
IF_ROWS 7
IF_ROWS 6
IF_ROWS 5
IF_ROWS 4
IF_ROWS 3
IF_ROWS 2
FINISH_FUNCTION pulp_whole_rows
#endif

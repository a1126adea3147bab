/* Products of a vector with rows of a matrix, up to 8 in one pass over the vector. */
#ifndef PULP_ROWS_H
#define PULP_ROWS_H

#include "../portable/share.h"

enum { MOST_ROWS = 8 };

/* A vector of `length` bytes, a matrix with rows of so many. Cores that work on them together begin in
 * different places, as otherwise all of them would read the same bank of the memory at the same time. */
typedef struct {
  const uint8_t *x;
  const int8_t *matrix;
  uint32_t length, words;
  uint32_t first; /* word of the rows, with which the calling core begins */
} pulp_product_t;

static inline pulp_product_t pulp_product_of(const uint8_t *x, const int8_t *matrix, uint32_t length) {
  const uint32_t words = length / 4, first = 2 * pulp_core_id(); /* 8 cores, 16 banks */
  return (pulp_product_t){x, matrix, length, words, first < words ? first : 0};
}

/* sums[i] = the product of `words` (at least 1) words of x with those at w + i * stride, for 2 to 8 rows. */
void pulp_whole_rows(const uint8_t *x, const int8_t *w, uint32_t words, uint32_t stride, int32_t *sums,
                     uint32_t first, uint32_t count);

/* The sums of 1 to 8 rows from row `begin` on, of any length. */
void pulp_any_rows(const pulp_product_t *product, uint32_t begin, uint32_t count, int32_t *sums);

/* The sums of the first MOST_ROWS of some rows, or of all if they aren't more: returns how many. */
static inline uint32_t pulp_sum_rows(const pulp_product_t *p, pulp_share_t rows, int32_t *sums) {
  const uint32_t left = rows.end - rows.begin, count = left < MOST_ROWS ? left : MOST_ROWS;
  if (count == 1 || 4 * p->words < p->length) {
    pulp_any_rows(p, rows.begin, count, sums);
  } else {
    pulp_whole_rows(p->x, p->matrix + rows.begin * p->length, p->words, p->length, sums, p->first, count);
  }
  return count;
}

#endif

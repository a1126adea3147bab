/* Outputs of one channel from columns of its map that follow one another in memory. */
#ifndef PULP_COLUMNS_H
#define PULP_COLUMNS_H

#include <stdint.h>

/* Output i is the product of `words` words from `columns` + i * `step` bytes on with `weights`, requantized.
 * The assembly knows the offsets. */
typedef struct {
  const uint32_t *columns, *weights;
  uint8_t *out;
  uint32_t count;         /* outputs, at least 1 */
  const void *k, *lambda; /* of the channel: int32, wide: int64 */
  uint32_t words;         /* at least 1 */
  int32_t step, out_stride;
  uint32_t shift;    /* wide: beyond 32 */
  uint32_t low_bits; /* split only */
} pulp_columns_t;

void pulp_columns(const pulp_columns_t *columns);
void pulp_columns_split(const pulp_columns_t *columns);
void pulp_columns_wide(const pulp_columns_t *columns);

#endif

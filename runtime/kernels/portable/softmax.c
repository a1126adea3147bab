/* pulp_softmax: outputs divided over the cores, each of which finds largest byte and sum for itself. */
#include <stddef.h>
#include <string.h>

#include "pulp_kernels.h"
#include "share.h"

enum { BYTES = 256 };

typedef struct {
  uint8_t largest;
  float sum;
} total_t;

static total_t total_of(const uint8_t *in, uint32_t channels, const int32_t *table) {
  uint8_t largest = 0;
  for (uint32_t c = 0; c < channels; c++) {
    largest = in[c] > largest ? in[c] : largest;
  }
  uint64_t sum = 0;
  for (uint32_t c = 0; c < channels; c++) {
    sum += (uint32_t)table[largest - in[c]];
  }
  return (total_t){largest, (float)(int64_t)sum};
}

static int32_t quotient(const int32_t *table, uint32_t distance, float sum) {
  float value;
  memcpy(&value, table + BYTES + distance, sizeof value);
  value /= sum;
  int32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

/* Elements one by one. */
static void divided(const uint8_t *in, int32_t *out, const int32_t *table, const pulp_softmax_t *s) {
  const pulp_share_t share = pulp_my_share(s->pixels * s->count);
  total_t total = {0, 1.0F};
  uint32_t pixel = share.begin / s->count, c = share.begin % s->count;
  for (uint32_t i = share.begin; i < share.end; i++) {
    const uint8_t *const x = in + pixel * s->channels;
    if (i == share.begin || c == 0) {
      total = total_of(x, s->channels, table);
    }
    out[i] = quotient(table, (uint32_t)total.largest - x[s->first + c], total.sum);
    if (++c == s->count) {
      c = 0;
      pixel++;
    }
  }
}

/* A pixel with more elements than there are bytes: first the quotients of all bytes. */
static void looked_up(const uint8_t *in, int32_t *out, const int32_t *table, int32_t *quotients,
                      const pulp_softmax_t *s) {
  const total_t total = total_of(in, s->channels, table);
  const pulp_share_t bytes = pulp_my_share(BYTES), share = pulp_my_share(s->count);
  for (uint32_t i = bytes.begin; i < bytes.end; i++) {
    quotients[i] = quotient(table, i, total.sum);
  }
  pulp_barrier();
  for (uint32_t i = share.begin; i < share.end; i++) {
    out[i] = quotients[total.largest - in[s->first + i]];
  }
  pulp_barrier();
}

void pulp_softmax(const uint8_t *in, int32_t *out, const int32_t *table, int32_t *quotients,
                  const pulp_softmax_t *softmax) {
  if (quotients == NULL || softmax->count < BYTES) {
    divided(in, out, table, softmax);
    pulp_barrier();
    return;
  }
  for (uint32_t pixel = 0; pixel < softmax->pixels; pixel++) {
    looked_up(in + pixel * softmax->channels, out + pixel * softmax->count, table, quotients, softmax);
  }
}

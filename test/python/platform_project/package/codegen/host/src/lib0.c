/* Stands for TVM's C, with the kind of code that warns. */
#include "toy.h"

int32_t toy_entry(const uint8_t *a, const uint8_t *b, uint8_t *out) {
  int unused;
  if (a[0] == 255) {
    return 7;
  }
  return toy_add(a, b, out);
}

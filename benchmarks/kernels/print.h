/* Lines on the simulator's console. */
#ifndef PULP_BENCH_PRINT_H
#define PULP_BENCH_PRINT_H

#include <stdint.h>

static inline void print_char(char c) { *(volatile uint8_t *)0x1A10F000u = (uint8_t)c; }

static inline void print(const char *text) {
  while (*text) {
    print_char(*text++);
  }
}

static inline void print_u32(uint32_t value) {
  char digits[10];
  int n = 0;
  do {
    digits[n++] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  while (n > 0) {
    print_char(digits[--n]);
  }
}

#endif

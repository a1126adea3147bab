/* Linux system calls of 32-bit RISC-V, as many as the C library's files need. */
#ifndef PULP_LINUX_CALLS_H
#define PULP_LINUX_CALLS_H

enum {
  LINUX_OPENAT = 56,
  LINUX_CLOSE = 57,
  LINUX_LLSEEK = 62,
  LINUX_READ = 63,
  LINUX_WRITE = 64,
  LINUX_EXIT_GROUP = 94,
};

/* The result, or a negative errno. */
static inline long linux_call(long number, long a, long b, long c, long d, long e) {
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d;
  register long a4 __asm__("a4") = e;
  register long a7 __asm__("a7") = number;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a7) : "memory");
  return a0;
}

#endif

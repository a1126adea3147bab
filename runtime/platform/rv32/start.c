/* Program entry under Linux user mode: the stack holds argc, argv[], NULL, environment[], NULL. */
#include <stdint.h>
#include <stdlib.h>

extern char **environ;
extern void __libc_init_array(void);
int main(int argc, char **argv);
void start_program(uintptr_t *stack);

__asm__(
    ".section .text\n"
    ".global _start\n"
    "_start:\n"
    "  .option push\n"
    "  .option norelax\n"
    "  la gp, __global_pointer$\n"
    "  la tp, __tls_base\n"
    "  .option pop\n"
    "  mv a0, sp\n"
    "  j start_program\n");

void start_program(uintptr_t *stack) {
  const int argc = (int)stack[0];
  char **const argv = (char **)(stack + 1);
  environ = argv + argc + 1;
  __libc_init_array();
  exit(main(argc, argv));
}

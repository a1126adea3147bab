/* What picolibc's stdio needs of an operating system, by the simulator's semihosting: paths are the host's,
 * relative to the folder it runs in. It takes no cycles of the program. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "registers.h"

enum { HOST_OPEN = 1, HOST_CLOSE = 2, HOST_WRITE = 5, HOST_READ = 6, HOST_SEEK = 10, HOST_LENGTH = 12 };

/* Modes of HOST_OPEN, as fopen's "rb" and "wb". */
enum { HOST_MODE_READ = 1, HOST_MODE_WRITE = 5 };

#define MAX_FILES 16
#define EXIT_REQUEST 0x80000000u

/* The host has no call that tells the position. */
static uint32_t positions[MAX_FILES];

/* The three instructions that make an ebreak a call of the host. */
static intptr_t host_call(uint32_t call, const void *arguments) {
  register intptr_t a0 __asm__("a0") = (intptr_t)call;
  register const void *a1 __asm__("a1") = arguments;
  __asm__ volatile(
      ".option push\n"
      ".option norvc\n"
      "slli x0, x0, 0x1f\n"
      "ebreak\n"
      "srai x0, x0, 7\n"
      ".option pop\n"
      : "+r"(a0)
      : "r"(a1)
      : "memory");
  return a0;
}

int open(const char *path, int flags, ...) {
  const int mode = (flags & O_ACCMODE) == O_RDONLY ? HOST_MODE_READ : HOST_MODE_WRITE;
  const uintptr_t arguments[] = {(uintptr_t)path, (uintptr_t)mode, strlen(path)};
  const int fd = (int)host_call(HOST_OPEN, arguments);
  if (fd < 0 || fd >= MAX_FILES) {
    errno = fd < 0 ? ENOENT : EMFILE;
    return -1;
  }
  positions[fd] = 0;
  return fd;
}

/* This call takes its argument in the register. */
int close(int fd) { return (int)host_call(HOST_CLOSE, (const void *)(intptr_t)fd); }

/* Both calls of the host return the bytes that are left to do. */
static ssize_t transfer(uint32_t call, int fd, const void *buffer, size_t bytes) {
  const uintptr_t arguments[] = {(uintptr_t)fd, (uintptr_t)buffer, bytes};
  const intptr_t left = host_call(call, arguments);
  if (left < 0 || (size_t)left > bytes) {
    errno = EIO;
    return -1;
  }
  positions[fd] += bytes - (size_t)left;
  return (ssize_t)(bytes - (size_t)left);
}

ssize_t read(int fd, void *buffer, size_t bytes) { return transfer(HOST_READ, fd, buffer, bytes); }

ssize_t write(int fd, const void *buffer, size_t bytes) { return transfer(HOST_WRITE, fd, buffer, bytes); }

off_t lseek(int fd, off_t offset, int whence) {
  const intptr_t base = whence == SEEK_SET   ? 0
                        : whence == SEEK_CUR ? (intptr_t)positions[fd]
                                             : host_call(HOST_LENGTH, (const void *)(intptr_t)fd);
  const uintptr_t arguments[] = {(uintptr_t)fd, (uintptr_t)(base + (intptr_t)offset)};
  if (host_call(HOST_SEEK, arguments)) {
    errno = EINVAL;
    return -1;
  }
  positions[fd] = (uint32_t)arguments[1];
  return (off_t)arguments[1];
}

void _exit(int status) {
  for (;;) {
    pulp_soc_exit = EXIT_REQUEST | (uint32_t)status;
  }
}

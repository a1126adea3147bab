/* What picolibc's stdio needs of an operating system. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include "linux_calls.h"

#define LINUX_AT_FDCWD (-100)
#define LINUX_O_CREAT 0x40
#define LINUX_O_TRUNC 0x200
#define LINUX_O_APPEND 0x400

static long checked(long result) {
  if (result < 0) {
    errno = (int)-result;
    return -1;
  }
  return result;
}

static long linux_flags(int flags) {
  return (flags & O_ACCMODE) | (flags & O_CREAT ? LINUX_O_CREAT : 0) | (flags & O_TRUNC ? LINUX_O_TRUNC : 0) |
         (flags & O_APPEND ? LINUX_O_APPEND : 0);
}

int open(const char *path, int flags, ...) {
  return (int)checked(linux_call(LINUX_OPENAT, LINUX_AT_FDCWD, (long)path, linux_flags(flags), 0644, 0));
}

int close(int fd) { return (int)checked(linux_call(LINUX_CLOSE, fd, 0, 0, 0, 0)); }

ssize_t read(int fd, void *buffer, size_t bytes) {
  return checked(linux_call(LINUX_READ, fd, (long)buffer, (long)bytes, 0, 0));
}

ssize_t write(int fd, const void *buffer, size_t bytes) {
  return checked(linux_call(LINUX_WRITE, fd, (long)buffer, (long)bytes, 0, 0));
}

off_t lseek(int fd, off_t offset, int whence) {
  int64_t position = -1;
  const long high = (long)((int64_t)offset >> 32);
  if (checked(linux_call(LINUX_LLSEEK, fd, high, (long)offset, (long)&position, whence)) < 0) {
    return -1;
  }
  return (off_t)position;
}

void _exit(int status) {
  for (;;) {
    linux_call(LINUX_EXIT_GROUP, status, 0, 0, 0, 0);
  }
}

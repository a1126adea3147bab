/* stdin, stdout and stderr for picolibc, on the read and write of the platform. */
#include <stdio.h>
#include <unistd.h>

static int put_to(int fd, char c) { return write(fd, &c, 1) == 1 ? (unsigned char)c : EOF; }

static int put_stdout(char c, FILE *file) {
  (void)file;
  return put_to(STDOUT_FILENO, c);
}

static int put_stderr(char c, FILE *file) {
  (void)file;
  return put_to(STDERR_FILENO, c);
}

static int get_stdin(FILE *file) {
  unsigned char c;
  (void)file;
  return read(STDIN_FILENO, &c, 1) == 1 ? c : EOF;
}

static FILE in = FDEV_SETUP_STREAM(NULL, get_stdin, NULL, _FDEV_SETUP_READ);
static FILE out = FDEV_SETUP_STREAM(put_stdout, NULL, NULL, _FDEV_SETUP_WRITE);
static FILE err = FDEV_SETUP_STREAM(put_stderr, NULL, NULL, _FDEV_SETUP_WRITE);
FILE *const stdin = &in;
FILE *const stdout = &out;
FILE *const stderr = &err;

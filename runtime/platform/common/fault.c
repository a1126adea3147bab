#include "fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void pulp_fault(int status, const char *format, ...) {
  char line[512];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof(line), format, args);
  va_end(args);
  fprintf(stderr, "pulp: %s\n", line);
  _Exit(status); /* no exit handlers: other cores may still be running */
}

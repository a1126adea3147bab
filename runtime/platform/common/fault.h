/* How programs of a checking platform end. */
#ifndef PULP_FAULT_H
#define PULP_FAULT_H

enum {
  PULP_EXIT_USAGE = 2,   /* wrong arguments, files or environment */
  PULP_EXIT_FAULT = 3,   /* generated code broke a rule of the platform */
  PULP_EXIT_NETWORK = 4, /* the network returned an error */
};

/* One line on stderr, "pulp: " and the message, then the end of the program, whichever core calls. */
__attribute__((noreturn, format(printf, 2, 3))) void pulp_fault(int status, const char *format, ...);

#endif

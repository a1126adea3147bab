/* Stands for the TVM runtime headers that a package carries. */
#define TOY_BYTES 10

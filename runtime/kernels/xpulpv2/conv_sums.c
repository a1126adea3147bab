/* pulp_conv_sums: the portable kernel with dot products of words. */
#define PULP_DOT "../xpulpv2/dot.h"
#include "../portable/conv_sums.c"

/* pulp_conv_direct, pulp_conv_direct_wide: the portable kernel with dot products of words. */
#define PULP_DOT "../xpulpv2/dot.h"
#include "../portable/conv_direct.c"

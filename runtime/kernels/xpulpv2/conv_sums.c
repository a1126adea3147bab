/* pulp_conv_sums: the portable kernel with this folder's dot products. */
#include "../portable/conv_sums.c"

#include "dot.h"

/* pulp_conv_direct, pulp_conv_direct_wide: the portable kernel with this folder's dot products. */
#include "../portable/conv_direct.c"

#include "dot.h"

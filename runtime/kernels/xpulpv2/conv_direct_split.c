/* pulp_conv_direct_split: the portable kernel with this folder's dot products. */
#include "../portable/conv_direct_split.c"

#include "dot.h"

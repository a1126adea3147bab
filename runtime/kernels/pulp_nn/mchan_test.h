/* Upstream's utilities include this header for a transfer by DMA that no kernel of a network calls. */
#ifndef PULP_NN_MCHAN_TEST_H
#define PULP_NN_MCHAN_TEST_H

#define mchan_transfer(...) ((void)0)

#endif

/* A functional model of NE16: what a job writes to L1, bit by bit. It knows nothing of time. */
#ifndef NE16_MODEL_H
#define NE16_MODEL_H

#include "pulp_nnx_ne16.h"

/* Executes a job on the L1 arena; ends the program if it reads or writes anything else, or uses a mode that
 * pulp-nnx doesn't offer (16-bit inputs, rounding, streaming in, the linear mode). */
void ne16_model_run(const ne16_task_data_t *job);

#endif

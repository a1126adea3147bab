#include "window.h"

static const window_engine_t depthwise = {
    .name = "darkside_depthwise",
    .kernel_area = 9,
    .weight_bytes = UINT32_MAX,
    .largest_weight = 128,
    .largest_input = 255,
    .largest_outputs = {255, 255},
    .scales = 1,
    .depthwise_only = 1,
};

static const window_engine_t digital = {
    .name = "diana_digital",
    .weight_bytes = 64 * 1024,
    .largest_weight = 128,
    .largest_input = 255,
    .largest_outputs = {255, 63},
};

static const window_engine_t analog = {
    .name = "diana_analog",
    .weight_bytes = 1152 * 512,
    .largest_weight = 1,
    .largest_input = 127,
    .largest_outputs = {63, 63},
};

void darkside_depthwise_start(pulp_window_job_t *job) { window_model_start(&depthwise, job); }
void darkside_depthwise_wait(pulp_window_job_t *job) { window_model_wait(&depthwise, job); }
void diana_digital_start(pulp_window_job_t *job) { window_model_start(&digital, job); }
void diana_digital_wait(pulp_window_job_t *job) { window_model_wait(&digital, job); }
void diana_analog_start(pulp_window_job_t *job) { window_model_start(&analog, job); }
void diana_analog_wait(pulp_window_job_t *job) { window_model_wait(&analog, job); }

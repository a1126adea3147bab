#include "model.h"

#include <inttypes.h>
#include <string.h>

#include "../registers.h"
#include "l1_arena.h"
#include "layer.h"
#include "pulp_runtime.h"

#define TAPS (NE16_FILTER * NE16_FILTER)
#define PIXELS (NE16_FILTER * NE16_FILTER) /* of a subtile's output */

typedef uint8_t input_t[NE16_INPUT_SIZE][NE16_INPUT_SIZE][NE16_INPUT_CHANNELS];
typedef int32_t weights_t[TAPS][NE16_INPUT_CHANNELS];
typedef int32_t sums_t[NE16_OUTPUT_CHANNELS][PIXELS];

/* A dimension that is cut into subtiles: how many, and the size of the last. */
typedef struct {
  uint32_t count, last;
} cut_t;

typedef struct {
  const ne16_task_data_t *registers;
  cut_t ko, ki, ho, wo;
  uint32_t last_hi, last_wi; /* input rows and columns of the last subtile, without what is padded behind */
  uint32_t filter, weight_bits, out_bytes, scale_bytes, shift;
  int depthwise, strided, has_bias, quantizes, is_signed;
} job_t;

/* Which subtile, and how much of it there is. */
typedef struct {
  uint32_t ko, i, j;
  uint32_t channels, rows, columns;
} subtile_t;

static uint32_t upper(uint32_t halves) { return halves >> 16; }
static uint32_t lower(uint32_t halves) { return halves & 0xffffu; }

static void require(int fine, const char *what) {
  if (!fine) {
    pulp_layer_fault("ne16", "%s", what);
  }
}

static job_t decode(const ne16_task_data_t *registers) {
  const ne16_subtile_t *const subtile = &registers->cfg.subtile;
  const uint32_t conf = registers->cfg.conf0, mode = conf & NE16_CONF_FILTER;
  const uint32_t unsupported = NE16_CONF_MODE16 | NE16_CONF_LINEAR | NE16_CONF_ROUNDING | NE16_CONF_STREAMIN;
  require(!(conf & unsupported) && mode != NE16_CONF_FILTER, "a mode that the model doesn't have");
  require((conf & NE16_CONF_NORM_MODE) != normMode16Bit, "scales of 16 bits");
  require((conf & NE16_CONF_QUANT_MODE) != quantMode16Bit, "outputs of 16 bits");
  require(!(conf & NE16_CONF_CHANNEL_SHIFT), "a shift for each channel");
  require(registers->cfg.filter_mask == 0, "a filter mask");
  const uint32_t filter = mode == NE16_CONF_1X1 ? 1 : NE16_FILTER;
  require(filter == NE16_FILTER || !(registers->cfg.padding & ~NE16_PAD_VALUE), "padding of a 1 x 1 filter");
  const job_t job = {
      .registers = registers,
      .ko = {upper(subtile->number.KoKi), upper(subtile->remainder.KoKi)},
      .ki = {lower(subtile->number.KoKi), lower(subtile->remainder.KoKi)},
      .ho = {upper(subtile->number.HoWo), upper(subtile->remainder.HoWo)},
      .wo = {lower(subtile->number.HoWo), lower(subtile->remainder.HoWo)},
      .last_hi = upper(subtile->remainder.HiWi),
      .last_wi = lower(subtile->remainder.HiWi),
      .filter = filter,
      .weight_bits = (conf & NE16_CONF_WEIGHT_BITS) + 1,
      .out_bytes = (conf & NE16_CONF_QUANT_MODE) == quantMode32Bit ? 4 : 1,
      .scale_bytes = (conf & NE16_CONF_NORM_MODE) == normMode32Bit ? 4 : 1,
      .shift = (conf & NE16_CONF_SHIFT) >> NE16_CONF_SHIFT_POSITION,
      .depthwise = mode == NE16_CONF_DEPTHWISE,
      .strided = (conf & NE16_CONF_STRIDE2X2) != 0,
      .has_bias = (conf & NE16_CONF_BIAS) != 0,
      .quantizes = (conf & NE16_CONF_NORM_QUANT) != 0,
      .is_signed = (conf & NE16_CONF_NO_RELU) != 0,
  };
  require(!job.depthwise || (job.ko.count == job.ki.count && job.ko.last == job.ki.last),
          "a depthwise convolution with other output than input channels");
  return job;
}

/* The bytes of L1 behind an address of NE16, which has 32 bits on every host. */
static uint8_t *l1(uint32_t address, uint32_t bytes) {
  uint8_t *const base = pulp_l1_base();
  const uint32_t offset = address - (uint32_t)(uintptr_t)base;
  if (offset >= pulp_l1_size() || bytes > pulp_l1_size() - offset) {
    pulp_layer_fault("ne16", "L1 bytes [%" PRId64 ", %" PRId64 ") leave the arena of %" PRIu32 " bytes",
                     (int64_t)(int32_t)offset, (int64_t)(int32_t)offset + bytes, pulp_l1_size());
  }
  return base + offset;
}

static uint32_t little_endian(const uint8_t *bytes, uint32_t size) {
  uint32_t value = 0;
  for (uint32_t i = 0; i < size; i++) {
    value |= (uint32_t)bytes[i] << 8 * i;
  }
  return value;
}

static uint32_t pad_side(const job_t *job, unsigned position) {
  return job->registers->cfg.padding >> position & NE16_PAD_SIDE;
}

/* One axis of a subtile's input: elements in front of `begin` and from `end` up to `size` hold the padding
 * value, those from `size` on 0. */
typedef struct {
  uint32_t begin, end, size;
} extent_t;

static extent_t extent(const job_t *job, uint32_t index, cut_t cut, uint32_t last_size, uint32_t before,
                       uint32_t behind) {
  const uint32_t full = job->filter == 1 ? NE16_FILTER : NE16_INPUT_SIZE;
  const int is_last = index == cut.count - 1;
  const uint32_t size = is_last ? last_size : full;
  const uint32_t inside = is_last && NE16_INPUT_SIZE - behind < size ? NE16_INPUT_SIZE - behind : size;
  return (extent_t){index == 0 ? before : 0, inside, size};
}

static void load_input(const job_t *job, const subtile_t *at, uint32_t ki, input_t input) {
  const ne16_stride_t stride = job->registers->cfg.input_stride;
  const extent_t rows =
      extent(job, at->i, job->ho, job->last_hi, pad_side(job, NE16_PAD_TOP), pad_side(job, NE16_PAD_BOTTOM));
  const extent_t columns =
      extent(job, at->j, job->wo, job->last_wi, pad_side(job, NE16_PAD_LEFT), pad_side(job, NE16_PAD_RIGHT));
  const uint32_t channels = ki == job->ki.count - 1 ? job->ki.last : NE16_INPUT_CHANNELS;
  const uint8_t value = (uint8_t)job->registers->cfg.padding;
  const uint32_t base = job->registers->infeat_addr + NE16_FILTER * (at->i * stride.d1 + at->j * stride.d0) +
                        ki * NE16_INPUT_CHANNELS;
  memset(input, 0, sizeof(input_t));
  for (uint32_t y = 0; y < rows.size; y++) {
    for (uint32_t x = 0; x < columns.size; x++) {
      if (y < rows.begin || y >= rows.end || x < columns.begin || x >= columns.end) {
        memset(input[y][x], value, channels);
      } else {
        memcpy(input[y][x], l1(base + y * stride.d1 + x * stride.d0, channels), channels);
      }
    }
  }
}

/* Weights of one output channel (of all 16 channels, in a depthwise convolution) for 16 input channels: a
 * plane for each bit, in which 16 bits are one tap. */
static void load_weights(const job_t *job, uint32_t ko, uint32_t ki, weights_t weights) {
  const uint32_t taps = job->filter * job->filter, plane = taps * NE16_WEIGHT_BYTES;
  const uint32_t address = job->registers->weights_addr + ko * job->registers->cfg.weights_stride.d1 +
                           ki * job->weight_bits * plane;
  const uint8_t *const bits = l1(address, job->weight_bits * plane);
  const int32_t offset = (int32_t)job->registers->cfg.weight_offset_factor;
  for (uint32_t tap = 0; tap < taps; tap++) {
    for (uint32_t c = 0; c < NE16_INPUT_CHANNELS; c++) {
      weights[tap][c] = offset;
    }
    for (uint32_t bit = 0; bit < job->weight_bits; bit++) {
      const uint32_t word = little_endian(bits + bit * plane + tap * NE16_WEIGHT_BYTES, NE16_WEIGHT_BYTES);
      for (uint32_t c = 0; c < NE16_INPUT_CHANNELS; c++) {
        weights[tap][c] += (int32_t)((word >> c & 1) << bit);
      }
    }
  }
}

/* The sum of one tap for one pixel, over the channels from `first` to behind `end`. */
static int32_t tap_sum(const uint8_t *input, const int32_t *weights, uint32_t first, uint32_t end) {
  int32_t sum = 0;
  for (uint32_t c = first; c < end; c++) {
    sum += input[c] * weights[c];
  }
  return sum;
}

static void accumulate(const job_t *job, input_t input, weights_t weights, uint32_t first, uint32_t end,
                       int32_t sums[PIXELS]) {
  for (uint32_t pixel = 0; pixel < PIXELS; pixel++) {
    const uint32_t y = pixel / NE16_FILTER, x = pixel % NE16_FILTER;
    for (uint32_t tap = 0; tap < job->filter * job->filter; tap++) {
      const uint8_t *const element = input[y + tap / job->filter][x + tap % job->filter];
      sums[pixel] += tap_sum(element, weights[tap], first, end);
    }
  }
}

static void convolve(const job_t *job, const subtile_t *at, sums_t sums) {
  input_t input;
  weights_t weights;
  memset(sums, 0, sizeof(sums_t));
  if (job->depthwise) {
    load_input(job, at, at->ko, input);
    load_weights(job, 0, at->ko, weights);
    for (uint32_t c = 0; c < at->channels; c++) {
      accumulate(job, input, weights, c, c + 1, sums[c]);
    }
    return;
  }
  for (uint32_t ki = 0; ki < job->ki.count; ki++) {
    load_input(job, at, ki, input);
    for (uint32_t c = 0; c < at->channels; c++) {
      load_weights(job, at->ko * NE16_OUTPUT_CHANNELS + c, ki, weights);
      accumulate(job, input, weights, 0, NE16_INPUT_CHANNELS, sums[c]);
    }
  }
}

static int32_t saturate(int64_t value, int64_t least, int64_t most) {
  return (int32_t)(value < least ? least : value > most ? most : value);
}

/* The product wraps, the bias saturates, the shift floors. */
static int32_t quantize(const job_t *job, int32_t sum, uint32_t scale, int32_t bias) {
  const int32_t product = (int32_t)((uint32_t)sum * scale);
  const int32_t value = saturate((int64_t)product + bias, INT32_MIN, INT32_MAX) >> job->shift;
  if (job->out_bytes == 4) {
    return job->is_signed || value > 0 ? value : 0;
  }
  return job->is_signed ? saturate(value, INT8_MIN, INT8_MAX) : saturate(value, 0, UINT8_MAX);
}

static void normalize(const job_t *job, uint32_t first, uint32_t channels, sums_t sums) {
  for (uint32_t c = 0; c < channels; c++) {
    const uint32_t scale_at = job->registers->scale_addr + (first + c) * job->scale_bytes;
    const uint32_t scale = little_endian(l1(scale_at, job->scale_bytes), job->scale_bytes);
    const uint32_t bias_at = job->registers->scale_bias_addr + (first + c) * 4;
    const int32_t bias = job->has_bias ? (int32_t)little_endian(l1(bias_at, 4), 4) : 0;
    for (uint32_t pixel = 0; pixel < PIXELS; pixel++) {
      sums[c][pixel] = quantize(job, sums[c][pixel], scale, bias);
    }
  }
}

static void store(const job_t *job, const subtile_t *at, uint32_t first, sums_t sums) {
  const ne16_stride_t stride = job->registers->cfg.output_stride;
  const uint32_t base = job->registers->outfeat_addr + NE16_FILTER * (at->i * stride.d2 + at->j * stride.d1) +
                        first * job->out_bytes;
  const uint32_t step = job->strided ? 2 : 1;
  for (uint32_t y = 0; y < at->rows; y += step) {
    for (uint32_t x = 0; x < at->columns; x += step) {
      uint8_t *const out = l1(base + y * stride.d2 + x * stride.d1, at->channels * job->out_bytes);
      for (uint32_t c = 0; c < at->channels; c++) {
        const uint32_t value = (uint32_t)sums[c][y * NE16_FILTER + x];
        for (uint32_t byte = 0; byte < job->out_bytes; byte++) {
          out[c * job->out_bytes + byte] = (uint8_t)(value >> 8 * byte);
        }
      }
    }
  }
}

static uint32_t size_at(cut_t cut, uint32_t index, uint32_t full) {
  return index == cut.count - 1 ? cut.last : full;
}

void ne16_model_run(const ne16_task_data_t *registers) {
  const job_t job = decode(registers);
  const uint32_t full = job.depthwise ? NE16_INPUT_CHANNELS : NE16_OUTPUT_CHANNELS;
  sums_t sums;
  for (uint32_t ko = 0; ko < job.ko.count; ko++) {
    for (uint32_t i = 0; i < job.ho.count; i++) {
      for (uint32_t j = 0; j < job.wo.count; j++) {
        const subtile_t at = {.ko = ko,
                              .i = i,
                              .j = j,
                              .channels = size_at(job.ko, ko, full),
                              .rows = size_at(job.ho, i, NE16_FILTER),
                              .columns = size_at(job.wo, j, NE16_FILTER)};
        convolve(&job, &at, sums);
        if (job.quantizes) {
          normalize(&job, ko * full, at.channels, sums);
        }
        store(&job, &at, ko * full, sums);
      }
    }
  }
}

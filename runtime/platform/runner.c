/* Runs a network on samples in files: `runner DIR [N]`.
 *
 * DIR/in_<i>.bin holds the samples of input i one after another, DIR/out_<i>.bin will hold those of output i.
 * All samples are run, or the first N. PULP_STATS names a file for the counters of the run (stats.h).
 * Outputs are valid only if the exit status is 0; the others are in fault.h. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "pulp_network.h"
#include "stats.h"

#define POISON 0xA5

typedef struct {
  const char *dir;
  FILE **files;   /* by input or output */
  void **buffers; /* one sample each, of exactly its size */
  const pulp_io_t *table;
  unsigned count;
} ports_t;

static void *allocate(size_t bytes) {
  void *const memory = malloc(bytes ? bytes : 1);
  if (!memory) {
    pulp_fault(PULP_EXIT_USAGE, "out of memory for %lu bytes", (unsigned long)bytes);
  }
  return memory;
}

static FILE *open_file(const char *dir, const char *kind, unsigned index, const char *mode) {
  char path[1024];
  const int length = snprintf(path, sizeof(path), "%s/%s_%u.bin", dir, kind, index);
  if (length < 0 || (size_t)length >= sizeof(path)) {
    pulp_fault(PULP_EXIT_USAGE, "the path of the folder is too long");
  }
  FILE *const file = fopen(path, mode);
  if (!file) {
    pulp_fault(PULP_EXIT_USAGE, "can't open %s: %s", path, strerror(errno));
  }
  return file;
}

static ports_t open_ports(const char *dir, const char *kind, const char *mode, const pulp_io_t *table,
                          unsigned count) {
  ports_t ports = {dir, allocate(count * sizeof(FILE *)), allocate(count * sizeof(void *)), table, count};
  for (unsigned i = 0; i < count; i++) {
    ports.files[i] = open_file(dir, kind, i, mode);
    ports.buffers[i] = allocate(table[i].bytes);
  }
  return ports;
}

static int close_ports(ports_t *ports) {
  int failed = 0;
  for (unsigned i = 0; i < ports->count; i++) {
    failed |= fclose(ports->files[i]);
    free(ports->buffers[i]);
  }
  free(ports->files);
  free(ports->buffers);
  return failed;
}

/* Whole samples in the file of input `i`. */
static uint32_t count_samples(const ports_t *in, unsigned i) {
  FILE *const file = in->files[i];
  const long size = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
  rewind(file);
  const uint32_t bytes = in->table[i].bytes;
  if (size <= 0 || !bytes || (unsigned long)size % bytes) {
    pulp_fault(PULP_EXIT_USAGE, "%s/in_%u.bin has %ld bytes; input '%s' takes a multiple of %lu", in->dir, i,
               size, in->table[i].name, (unsigned long)bytes);
  }
  return (uint32_t)((unsigned long)size / bytes);
}

/* The number of samples that every input has; 1 for a network without inputs. */
static uint32_t common_samples(const ports_t *in) {
  const uint32_t samples = in->count ? count_samples(in, 0) : 1;
  for (unsigned i = 1; i < in->count; i++) {
    const uint32_t others = count_samples(in, i);
    if (others != samples) {
      pulp_fault(PULP_EXIT_USAGE, "%s/in_0.bin has %lu samples, in_%u.bin has %lu", in->dir,
                 (unsigned long)samples, i, (unsigned long)others);
    }
  }
  return samples;
}

static uint32_t wanted_samples(const char *text, uint32_t available) {
  char *end;
  const unsigned long wanted = strtoul(text, &end, 10);
  if (end == text || *end || !wanted || wanted > available) {
    pulp_fault(PULP_EXIT_USAGE, "N is '%s'; there are %lu samples", text, (unsigned long)available);
  }
  return (uint32_t)wanted;
}

static void run_sample(ports_t *in, ports_t *out, uint32_t sample) {
  for (unsigned i = 0; i < in->count; i++) {
    if (fread(in->buffers[i], 1, in->table[i].bytes, in->files[i]) != in->table[i].bytes) {
      pulp_fault(PULP_EXIT_USAGE, "can't read %s/in_%u.bin", in->dir, i);
    }
  }
  for (unsigned i = 0; i < out->count; i++) {
    memset(out->buffers[i], POISON, out->table[i].bytes);
  }
  pulp_stats_begin_inference();
  const int32_t status = pulp_network.run(in->buffers, out->buffers);
  pulp_stats_end_inference();
  if (status) {
    pulp_fault(PULP_EXIT_NETWORK, "network '%s' failed with status %ld at sample %lu", pulp_network.name,
               (long)status, (unsigned long)sample);
  }
  for (unsigned i = 0; i < out->count; i++) {
    if (fwrite(out->buffers[i], 1, out->table[i].bytes, out->files[i]) != out->table[i].bytes) {
      pulp_fault(PULP_EXIT_USAGE, "can't write %s/out_%u.bin", out->dir, i);
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 2 || argc > 3) {
    pulp_fault(PULP_EXIT_USAGE, "usage: runner DIR [N]");
  }
  ports_t in = open_ports(argv[1], "in", "rb", pulp_network.inputs, pulp_network.n_inputs);
  const uint32_t available = common_samples(&in);
  const uint32_t samples = argc == 3 ? wanted_samples(argv[2], available) : available;
  ports_t out = open_ports(argv[1], "out", "wb", pulp_network.outputs, pulp_network.n_outputs);
  for (uint32_t sample = 0; sample < samples; sample++) {
    run_sample(&in, &out, sample);
  }
  close_ports(&in);
  if (close_ports(&out)) {
    pulp_fault(PULP_EXIT_USAGE, "can't write %s/out_*.bin", argv[1]);
  }
  const char *const stats = getenv("PULP_STATS");
  if (stats && pulp_stats_write(stats, pulp_network.name, samples)) {
    pulp_fault(PULP_EXIT_USAGE, "can't write %s", stats);
  }
  return 0;
}

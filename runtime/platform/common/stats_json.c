#include "stats_json.h"

#include <inttypes.h>
#include <stdio.h>

static void write_string(FILE *file, const char *text) {
  fputc('"', file);
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') {
      fputc('\\', file);
    }
    fputc(*text, file);
  }
  fputc('"', file);
}

static void write_counters(FILE *file, const pulp_layer_stats_t *c, int has_cycles) {
  fprintf(file,
          "\"runs\": %" PRIu64 ", \"commands_in\": %" PRIu64 ", \"commands_out\": %" PRIu64
          ", \"bytes_in\": %" PRIu64 ", \"bytes_out\": %" PRIu64,
          c->runs, c->commands[PULP_DMA_L2_TO_L1], c->commands[PULP_DMA_L1_TO_L2],
          c->bytes[PULP_DMA_L2_TO_L1], c->bytes[PULP_DMA_L1_TO_L2]);
  if (has_cycles) {
    fprintf(file, ", \"cycles\": %" PRIu64 ", \"dma_wait_cycles\": %" PRIu64 ", \"l3_wait_cycles\": %" PRIu64,
            c->cycles, c->dma_wait_cycles, c->l3_wait_cycles);
  }
  if (c->commands[PULP_L3_TO_L2] || c->commands[PULP_L2_TO_L3]) {
    fprintf(file,
            ", \"l3_commands_in\": %" PRIu64 ", \"l3_commands_out\": %" PRIu64 ", \"l3_bytes_in\": %" PRIu64
            ", \"l3_bytes_out\": %" PRIu64,
            c->commands[PULP_L3_TO_L2], c->commands[PULP_L2_TO_L3], c->bytes[PULP_L3_TO_L2],
            c->bytes[PULP_L2_TO_L3]);
  }
  fputc('}', file);
}

static void add(pulp_layer_stats_t *total, const pulp_layer_stats_t *c) {
  total->runs += c->runs;
  for (int i = 0; i < PULP_DMA_DIRECTIONS; i++) {
    total->commands[i] += c->commands[i];
    total->bytes[i] += c->bytes[i];
  }
  total->cycles += c->cycles;
  total->dma_wait_cycles += c->dma_wait_cycles;
  total->l3_wait_cycles += c->l3_wait_cycles;
}

int pulp_stats_write_json(const char *path, const pulp_run_stats_t *run) {
  FILE *const file = fopen(path, "w");
  if (!file) {
    return -1;
  }
  fputs("{\"network\": ", file);
  write_string(file, run->network);
  fprintf(file, ", \"inferences\": %" PRIu32 ",\n", run->inferences);
  if (run->has_cycles) {
    fprintf(file, " \"inference_cycles\": %" PRIu64 ", \"cluster_cycles\": %" PRIu64 ",\n",
            run->inference_cycles, run->cluster_cycles);
  }
  fputs(" \"layers\": [", file);
  pulp_layer_stats_t total = {0};
  for (unsigned i = 0; i < run->n_layers; i++) {
    fputs(i ? ",\n  {\"name\": " : "\n  {\"name\": ", file);
    write_string(file, run->layers[i].layer->name);
    fputs(", ", file);
    write_counters(file, &run->layers[i], run->has_cycles);
    add(&total, &run->layers[i]);
  }
  fputs("],\n \"total\": {", file);
  write_counters(file, &total, run->has_cycles);
  fputs("}\n", file);
  return fclose(file);
}

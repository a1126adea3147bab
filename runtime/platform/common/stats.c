#include "stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fault.h"

typedef struct {
  uint64_t runs, commands[PULP_DMA_DIRECTIONS], bytes[PULP_DMA_DIRECTIONS]; /* by pulp_dma_direction_t */
} counters_t;

typedef struct layer_stats {
  const pulp_layer_info_t *layer;
  counters_t counters;
  struct layer_stats *next;
} layer_stats_t;

static struct {
  layer_stats_t *first, *last, *current;
  int registered;
} stats;

static void release(void) {
  while (stats.first) {
    layer_stats_t *const next = stats.first->next;
    free(stats.first);
    stats.first = next;
  }
}

static layer_stats_t *append(const pulp_layer_info_t *layer) {
  if (!stats.registered) {
    stats.registered = 1;
    atexit(release);
  }
  layer_stats_t *const entry = calloc(1, sizeof(*entry));
  if (!entry) {
    pulp_fault(PULP_EXIT_FAULT, "layer '%s': out of memory for its counters", layer->name);
  }
  entry->layer = layer;
  if (stats.last) {
    stats.last->next = entry;
  } else {
    stats.first = entry;
  }
  stats.last = entry;
  return entry;
}

void pulp_stats_begin_layer(const pulp_layer_info_t *layer) {
  stats.current = stats.first;
  while (stats.current && stats.current->layer != layer) {
    stats.current = stats.current->next;
  }
  if (!stats.current) {
    stats.current = append(layer);
  }
  stats.current->counters.runs++;
}

void pulp_stats_count(pulp_dma_direction_t direction, uint32_t commands, uint32_t bytes) {
  stats.current->counters.commands[direction] += commands;
  stats.current->counters.bytes[direction] += bytes;
}

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

static void write_counters(FILE *file, const counters_t *c) {
  fprintf(file,
          "\"runs\": %" PRIu64 ", \"commands_in\": %" PRIu64 ", \"commands_out\": %" PRIu64
          ", \"bytes_in\": %" PRIu64 ", \"bytes_out\": %" PRIu64,
          c->runs, c->commands[PULP_DMA_L2_TO_L1], c->commands[PULP_DMA_L1_TO_L2],
          c->bytes[PULP_DMA_L2_TO_L1], c->bytes[PULP_DMA_L1_TO_L2]);
  if (c->commands[PULP_L3_TO_L2] || c->commands[PULP_L2_TO_L3]) {
    fprintf(file,
            ", \"l3_commands_in\": %" PRIu64 ", \"l3_commands_out\": %" PRIu64 ", \"l3_bytes_in\": %" PRIu64
            ", \"l3_bytes_out\": %" PRIu64,
            c->commands[PULP_L3_TO_L2], c->commands[PULP_L2_TO_L3], c->bytes[PULP_L3_TO_L2],
            c->bytes[PULP_L2_TO_L3]);
  }
  fputc('}', file);
}

static void add(counters_t *total, const counters_t *c) {
  total->runs += c->runs;
  for (int i = 0; i < PULP_DMA_DIRECTIONS; i++) {
    total->commands[i] += c->commands[i];
    total->bytes[i] += c->bytes[i];
  }
}

int pulp_stats_write(const char *path, const char *network, uint32_t inferences) {
  FILE *const file = fopen(path, "w");
  if (!file) {
    return -1;
  }
  fputs("{\"network\": ", file);
  write_string(file, network);
  fprintf(file, ", \"inferences\": %" PRIu32 ",\n \"layers\": [", inferences);
  counters_t total = {0, {0}, {0}};
  for (const layer_stats_t *entry = stats.first; entry; entry = entry->next) {
    fputs(entry == stats.first ? "\n  {\"name\": " : ",\n  {\"name\": ", file);
    write_string(file, entry->layer->name);
    fputs(", ", file);
    write_counters(file, &entry->counters);
    add(&total, &entry->counters);
  }
  fputs("],\n \"total\": {", file);
  write_counters(file, &total);
  fputs("}\n", file);
  return fclose(file);
}

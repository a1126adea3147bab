/* Calls the platform as a script on stdin says; a command is a word and numbers. L2 is one block of memory.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pulp_runtime.h"
#include "stats.h"

#define MAX_LAYERS 4

typedef struct {
  char name[32];
  pulp_l1_range_t l1;
  pulp_layer_info_t info;
} layer_t;

typedef struct {
  uint8_t *l1, *l2;
  uint32_t l1_bytes, l2_bytes;
  layer_t layers[MAX_LAYERS];
  unsigned n_layers;
  pulp_l2_range_t range;
} state_t;

static uint32_t number(void) {
  unsigned long value = 0;
  if (scanf("%lu", &value) != 1) {
    exit(1);
  }
  return (uint32_t)value;
}

static void show(const char *name, const uint8_t *bytes, uint32_t count) {
  printf("%s", name);
  for (uint32_t i = 0; i < count; i++) {
    printf(" %u", bytes[i]);
  }
  printf("\n");
  fflush(stdout); /* a fault ends the program without */
}

/* begin NAME L1-OFFSET L1-SIZE L2-OFFSET L2-SIZE */
static void begin(state_t *s) {
  char name[32];
  if (scanf("%31s", name) != 1) {
    exit(1);
  }
  unsigned i = 0;
  while (i < s->n_layers && strcmp(s->layers[i].name, name)) {
    i++;
  }
  layer_t *const layer = &s->layers[i];
  if (i == s->n_layers) {
    s->n_layers++;
    memcpy(layer->name, name, sizeof(name));
  }
  const uint32_t l1_offset = number();
  layer->l1 = (pulp_l1_range_t){"tile", l1_offset, number()};
  layer->info = (pulp_layer_info_t){layer->name, &layer->l1, 1};
  const uint32_t l2_offset = number();
  s->range = (pulp_l2_range_t){"map", s->l2 + l2_offset, number()};
  pulp_layer_begin(&layer->info, &s->range, 1);
}

/* COMMAND L1 L2 ROWS COLS CHANNELS L2-ROW L2-PIXEL L1-ROW L1-PLANE */
static void transfer_box(const state_t *s, const char *command) {
  uint8_t *const l1 = s->l1 + number();
  uint8_t *const l2 = s->l2 + number();
  uint32_t n[7];
  for (int i = 0; i < 7; i++) {
    n[i] = number();
  }
  const pulp_box_t box = {n[0], n[1], n[2], n[3], n[4], n[5], n[6]};
  if (!strcmp(command, "box_in")) {
    pulp_dma_box_in(l1, l2, &box);
  } else if (!strcmp(command, "box_in_chw")) {
    pulp_dma_box_in_chw(l1, l2, &box);
  } else {
    pulp_dma_box_out(l2, l1, &box);
  }
}

static void transfer_from_core_1(void *state) {
  const state_t *const s = state;
  if (pulp_core_id() == 1) {
    pulp_dma_in(s->l1, s->l2, 1);
  }
  pulp_barrier();
}

static void run(state_t *s, const char *command) {
  if (!strcmp(command, "arena")) {
    s->l1_bytes = number();
    s->l1 = pulp_l1_arena(s->l1_bytes);
  } else if (!strcmp(command, "l2")) { /* byte i is i modulo 251 */
    s->l2_bytes = number();
    s->l2 = malloc(s->l2_bytes);
    for (uint32_t i = 0; i < s->l2_bytes; i++) {
      s->l2[i] = (uint8_t)(i % 251);
    }
  } else if (!strcmp(command, "begin")) {
    begin(s);
  } else if (!strcmp(command, "end")) {
    pulp_layer_end();
  } else if (!strcmp(command, "in")) { /* in L1 L2 BYTES */
    uint8_t *const l1 = s->l1 + number();
    const uint8_t *const l2 = s->l2 + number();
    pulp_dma_in(l1, l2, number());
  } else if (!strncmp(command, "box", 3)) {
    transfer_box(s, command);
  } else if (!strcmp(command, "wait")) {
    pulp_dma_wait(number());
  } else if (!strcmp(command, "set_l1")) { /* set_l1 OFFSET VALUE */
    uint8_t *const l1 = s->l1 + number();
    *l1 = (uint8_t)number();
  } else if (!strcmp(command, "set_l2")) {
    uint8_t *const l2 = s->l2 + number();
    *l2 = (uint8_t)number();
  } else if (!strcmp(command, "show_l1")) {
    show("l1", s->l1, s->l1_bytes);
  } else if (!strcmp(command, "show_l2")) {
    show("l2", s->l2, s->l2_bytes);
  } else if (!strcmp(command, "stats")) { /* stats FILE INFERENCES */
    char path[256];
    if (scanf("%255s", path) != 1 || pulp_stats_write(path, "driver", number())) {
      exit(1);
    }
  } else if (!strcmp(command, "core_1")) {
    pulp_cluster_run(transfer_from_core_1, s, 2);
  } else {
    fprintf(stderr, "unknown command %s\n", command);
    exit(1);
  }
}

int main(void) {
  state_t state = {0};
  char command[32];
  while (scanf("%31s", command) == 1) {
    run(&state, command);
  }
  free(state.l2);
  return 0;
}

/* The log lies in what the heap leaves of L2; its lower part is core 0's, of the upper one the fabric
 * controller takes a word for each transfer of L3 that is done. */
#include "profile.h"

#if PULP_PROFILE
#include <stdio.h>
#include <stdlib.h>

#include "fault.h"
#include "registers.h"

#define MOST_BYTES (1u << 20)
#define LEAST_BYTES (1u << 12)
#define MAX_L3 4096

/* `what` is a kind or, which is larger, a layer's address. */
typedef struct {
  uintptr_t what;
  uint32_t from, to;
} record_t;

static struct {
  record_t *records;
  uint32_t n_records, max_records;
  uint32_t l3_done[MAX_L3], n_l3_done, n_l3_used;
  int open, lost;
} profile;

static void append(uintptr_t what, uint32_t from, uint32_t to) {
  if (!profile.open) {
    return;
  }
  if (profile.n_records == profile.max_records) {
    profile.lost = 1;
    return;
  }
  profile.records[profile.n_records++] = (record_t){what, from, to};
}

void pulp_profile_begin_inference(void) {
  if (profile.records) {
    return;
  }
  uint32_t bytes = MOST_BYTES;
  while (bytes > LEAST_BYTES && !(profile.records = malloc(bytes))) {
    bytes -= LEAST_BYTES;
  }
  if (!profile.records) {
    pulp_fault(PULP_EXIT_FAULT, "no room in L2 for a profile");
  }
  profile.max_records = bytes / sizeof(record_t);
  profile.open = 1;
}

void pulp_profile_end_inference(uint32_t from) {
  append(PULP_PROFILE_INFERENCE, from, pulp_cycles());
  profile.open = 0;
}

void pulp_profile_add(pulp_profile_kind_t kind, uint32_t from) {
  const uint32_t to = pulp_cycles();
  record_t *const last = &profile.records[profile.n_records - 1];
  if (kind == PULP_PROFILE_LOAD && profile.n_records && last->what == PULP_PROFILE_LOAD) {
    last->to = to;
    return;
  }
  append(kind, from, to);
}

void pulp_profile_add_layer(const pulp_layer_info_t *layer, uint32_t from) {
  append((uintptr_t)layer, from, pulp_cycles());
}

void pulp_profile_l3_done(void) {
  if (profile.open && profile.n_l3_done < MAX_L3) {
    profile.l3_done[profile.n_l3_done++] = pulp_cycles();
  }
}

void pulp_profile_end_region(uint32_t from, uint32_t to) {
  for (; profile.n_l3_used < profile.n_l3_done; profile.n_l3_used++) {
    const uint32_t done = profile.l3_done[profile.n_l3_used];
    append(PULP_PROFILE_L3_DONE, done, done);
  }
  append(PULP_PROFILE_REGION, from, to);
}

int pulp_profile_write(unsigned (*index_of)(const pulp_layer_info_t *layer)) {
  FILE *const file = fopen("profile.bin", "wb");
  if (!file || profile.lost || profile.n_l3_done == MAX_L3) {
    return -1;
  }
  for (uint32_t i = 0; i < profile.n_records; i++) {
    record_t *const record = &profile.records[i];
    if (record->what >= PULP_PROFILE_LAYER) {
      record->what = PULP_PROFILE_LAYER + index_of((const pulp_layer_info_t *)record->what);
    }
  }
  const size_t written = fwrite(profile.records, sizeof(record_t), profile.n_records, file);
  return fclose(file) || written != profile.n_records;
}
#endif

#include "CBenchLoad.h"

#include <stdlib.h>

enum { SUB_BUCKETS = 32, BUCKETS = 60 * SUB_BUCKETS };

struct cbl_histogram {
  uint64_t counts[BUCKETS];
  uint64_t count;
  uint64_t maximum_ns;
};

struct cbl_histogram *cbl_histogram_new(void) {
  return calloc(1, sizeof(struct cbl_histogram));
}

void cbl_histogram_free(struct cbl_histogram *histogram) {
  free(histogram);
}

static int bucket(uint64_t ns) {
  if (ns < SUB_BUCKETS) return (int)ns;
  int shift = 63 - __builtin_clzll(ns) - 5;
  return (shift + 1) * SUB_BUCKETS + (int)((ns >> shift) - SUB_BUCKETS);
}

void cbl_record(struct cbl_histogram *histogram, uint64_t ns) {
  histogram->counts[bucket(ns)]++;
  histogram->count++;
  if (ns > histogram->maximum_ns) histogram->maximum_ns = ns;
}

uint64_t cbl_count(const struct cbl_histogram *histogram) {
  return histogram->count;
}

uint64_t cbl_maximum_ns(const struct cbl_histogram *histogram) {
  return histogram->maximum_ns;
}

uint64_t cbl_percentile_ns(const struct cbl_histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)(share * (double)histogram->count);
  uint64_t passed = 0;
  for (int i = 0; i < BUCKETS; i++) {
    passed += histogram->counts[i];
    if (passed <= wanted) continue;
    if (i < SUB_BUCKETS) return (uint64_t)i;
    int shift = i / SUB_BUCKETS - 1;
    return (uint64_t)(SUB_BUCKETS + i % SUB_BUCKETS) << shift;
  }
  return histogram->maximum_ns;
}

void cbl_add(struct cbl_histogram *histogram, const struct cbl_histogram *other) {
  for (int i = 0; i < BUCKETS; i++) histogram->counts[i] += other->counts[i];
  histogram->count += other->count;
  if (other->maximum_ns > histogram->maximum_ns) histogram->maximum_ns = other->maximum_ns;
}

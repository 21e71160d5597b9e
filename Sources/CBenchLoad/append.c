#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "native.h"

uint64_t cbl_percentile_ns(const struct cbl_histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)(share * (double)histogram->count);
  uint64_t passed = 0;
  for (int i = 0; i < CBL_BUCKETS; i++) {
    passed += histogram->counts[i];
    if (passed <= wanted) continue;
    if (i < CBL_SUB_BUCKETS) return (uint64_t)i;
    int shift = i / CBL_SUB_BUCKETS - 1;
    return (uint64_t)(CBL_SUB_BUCKETS + i % CBL_SUB_BUCKETS) << shift;
  }
  return histogram->maximum_ns;
}

int cbl_append(const char *path, uint32_t bytes, double seconds, struct cbl_histogram *latency) {
  int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  char *block = malloc(bytes);
  if (file < 0 || block == NULL) return -1;
  memset(block, 'a', bytes);
  uint64_t start = cbl_now_ns(CLOCK_MONOTONIC), before = start;
  int failed = 0;
  while (!failed && (double)(before - start) < seconds * 1e9) {
    failed = write(file, block, bytes) != (ssize_t)bytes || fdatasync(file) != 0;
    uint64_t after = cbl_now_ns(CLOCK_MONOTONIC);
    cbl_record(latency, after - before);
    before = after;
  }
  int cause = errno;
  close(file);
  free(block);
  errno = cause;
  return failed ? -1 : 0;
}

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "native.h"

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

// Requests under load: an operator asks at a steady pace, many agents wait, and each finishes what
// it is given. Included by CBenchLoad.h.
#ifndef CBENCHLOAD_DISPATCH_H
#define CBENCHLOAD_DISPATCH_H

#include <stdint.h>

struct cbl_load_options;
struct cbl_load_result;

struct cbl_dispatch {
  const char *integration;        // at most 128 bytes
  // Where the operator's connection goes, with its token; of the options only these count.
  const struct cbl_load_options *operator_options;
  // The pace, whatever the server does; 0: the next request as soon as the one before is done.
  double requests_per_second;
};

struct cbl_dispatch_result {
  uint64_t requested;             // calls of CreateRequest that were answered with success
  uint64_t delivered;             // requests that an agent was given
  uint64_t repeated;              // deliveries of a request that was delivered before
  uint64_t finished;              // COMPLETED reports that were answered with success
  struct cbl_histogram *late;     // set by the caller: how long after its time a request was sent
};

// Of the options, `connections` are the agents, each with a poll that waits, and `calls` the most
// requests; the load ends with the time or with them. Of the result, answered and calls count
// requests that an agent holds, failed what was refused, unanswered requests that are not finished;
// the latency counts from when a request was due to be sent until its agent holds it. Otherwise
// as cbl_load.
int cbl_dispatch_load(const struct cbl_load_options *options, const struct cbl_dispatch *dispatch,
                      struct cbl_load_result *result, struct cbl_dispatch_result *outcome);

#endif

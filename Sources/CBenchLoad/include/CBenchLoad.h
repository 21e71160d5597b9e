// The parts of integration-bench that must cost next to nothing: raw-frame load with prebuilt
// payloads, the raw epoll echo it is compared with, and the bare durable append. In C, so that a
// figure is the server's and not a client library's.
#ifndef CBENCHLOAD_H
#define CBENCHLOAD_H

#include <stdint.h>

// Latencies in buckets of 1/32 of their size: a percentile is at most 3 % too low.
struct cbl_histogram;

// NULL without memory.
struct cbl_histogram *cbl_histogram_new(void);
void cbl_histogram_free(struct cbl_histogram *histogram);
void cbl_record(struct cbl_histogram *histogram, uint64_t ns);
uint64_t cbl_count(const struct cbl_histogram *histogram);
uint64_t cbl_maximum_ns(const struct cbl_histogram *histogram);

// The latency below which `share` (0 to 1) of the samples lie; 0 without samples.
uint64_t cbl_percentile_ns(const struct cbl_histogram *histogram, double share);

// Adds the other's samples.
void cbl_add(struct cbl_histogram *histogram, const struct cbl_histogram *other);

#define CBL_ERROR_ROOM 256

// What the load sends.
enum cbl_load_kind {
  CBL_LOAD_ECHO,       // frames of 104 bytes for the echo below; no preamble, no HELLO
  CBL_LOAD_HEARTBEAT,  // method 4, each connection an agent of its own
  CBL_LOAD_REPORT,     // method 2, each report a log of its own, one in twenty FAILED
};

struct cbl_load_options {
  enum cbl_load_kind kind;
  const char *unix_path;  // or NULL, and then host and port
  const char *host;
  const char *port;
  const char *token;
  const char *action;     // at most 128 bytes
  uint32_t connections;   // at most 4096
  uint32_t in_flight;     // on each connection, at most 4096
  double warmup_seconds;  // counted in answered and failed only
  double seconds;
  uint64_t seed;          // of the log ids
  uint64_t calls;         // 0: as many as the time allows; else exactly so many, within the time
  double calls_per_second;  // the pace, whatever the server does; 0: the next when one is answered.
                            // A latency counts from when the call was due then.
  const volatile int32_t *stop;  // or NULL; another thread ends the load by writing anything but 0
};

struct cbl_load_result {
  uint64_t calls;         // answered with success within the measured time
  double seconds;         // the measured time
  uint64_t answered;      // answered with success, warm-up and the last calls included
  uint64_t failed;        // answered with an error
  uint64_t unanswered;    // sent, and no answer within ten seconds after the end
  uint32_t failure_code;  // the first failed reply's
  uint32_t failure_bytes;
  uint8_t failure[512];   // its payload, an rpc.v1.Status
  struct cbl_histogram *latency;  // set by the caller
  char error[CBL_ERROR_ROOM];  // empty, or why the load could not go on
};

// Lets this process and those that it starts open as many descriptors as the hard limit allows:
// thousands of connections need more than the usual soft limit.
void cbl_raise_descriptor_limit(void);

// Runs the load on the calling thread. Returns 0, or -1 with `error` set.
int cbl_load(const struct cbl_load_options *options, struct cbl_load_result *result);

struct cbl_idle;

// Opens `options->connections` connections, each an agent with one PollRequests that waits for a
// minute. Of the options only address and token count. NULL with `error` (of CBL_ERROR_ROOM) set.
struct cbl_idle *cbl_idle_open(const struct cbl_load_options *options, char *error);

// How many of the connections have had a REPLY, a GOAWAY or an end: none, while all is well.
uint32_t cbl_idle_answered(struct cbl_idle *idle);

// Closes them all.
void cbl_idle_close(struct cbl_idle *idle);

struct cbl_echo;

// Starts the raw echo, one thread on a loopback port that the kernel chooses; NULL with errno set.
struct cbl_echo *cbl_echo_start(uint16_t *port);

// Ends the echo's thread and closes its sockets.
void cbl_echo_stop(struct cbl_echo *echo);

// Appends `bytes` and calls fdatasync, again and again for `seconds`, in a file that it creates at
// `path`; the file stays. Returns 0, or -1 with errno set.
int cbl_append(const char *path, uint32_t bytes, double seconds, struct cbl_histogram *latency);

#include "dispatch.h"
#include "peers.h"

#endif

#define _GNU_SOURCE
#include "loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "native.h"

// One read's room, shared by all connections: what a read leaves over is moved away, and is little.
enum { INPUT_ROOM = 1 << 20, EVENTS = 256 };
// Replies come in any order, so there is room for twice what is in flight, and for some more.
enum { MINIMUM_SLOTS = 64, MAXIMUM_IN_FLIGHT = 4096 };
static const uint64_t DRAIN_LIMIT_NS = 10000000000u, LONGEST_WAIT_NS = 100000000u;

void cbl_raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int cbl_loop_begin(struct cbl_loop *loop, uint32_t more) {
  const struct cbl_load_options *options = loop->options;
  cbl_raise_descriptor_limit();
  *loop->result = (struct cbl_load_result){.latency = loop->result->latency};
  if (loop->weight == 0) loop->weight = 1;
  loop->left = options->calls > 0 ? options->calls : UINT64_MAX;
  loop->room = options->connections + more;
  uint32_t slots = MINIMUM_SLOTS;
  while (slots < 2 * options->in_flight && slots < 2 * MAXIMUM_IN_FLIGHT) slots *= 2;
  loop->slot_mask = slots - 1;
  loop->connections = calloc(loop->room, sizeof *loop->connections);
  loop->input = malloc(INPUT_ROOM + 1);
  loop->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (loop->connections == NULL || loop->input == NULL || loop->epoll < 0) {
    return cbl_fail_errno(loop->result->error, "epoll_create1");
  }
  return 0;
}

static int open_one(struct cbl_loop *loop, const struct cbl_load_options *target) {
  struct cbl_connection *connection = loop->connections + loop->opened;
  connection->index = loop->opened;
  connection->descriptor = cbl_open(target, loop->result->error);
  if (connection->descriptor < 0) return -1;
  loop->opened++;
  connection->slots = calloc(loop->slot_mask + 1, sizeof *connection->slots);
  if (connection->slots == NULL) return cbl_fail(loop->result->error, "out of memory");
  if (loop->work->greet != NULL && loop->work->greet(loop, connection) != 0) return -1;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, connection->descriptor, &event) == 0) return 0;
  return cbl_fail_errno(loop->result->error, "epoll_ctl");
}

int cbl_loop_open(struct cbl_loop *loop, const struct cbl_load_options *target, uint32_t count) {
  int failed = 0;
  for (uint32_t i = 0; !failed && i < count; i++) failed = open_one(loop, target);
  return failed;
}

static int send_calls(struct cbl_loop *loop, struct cbl_connection *connection, uint32_t count) {
  if (loop->work->send == NULL) return 0;
  if (count > loop->left) count = (uint32_t)loop->left;
  if (count == 0) return 0;
  loop->left -= count;
  loop->now_ns = cbl_now_ns(CLOCK_MONOTONIC);
  return loop->work->send(loop, connection, count);
}

// Moves what is left of the input, a message without its end, to the connection.
static int keep(struct cbl_loop *loop, struct cbl_connection *connection, size_t used,
                size_t have) {
  if (have == used && connection->kept_bytes == 0) return 0;
  connection->kept_bytes = have - used;
  if (connection->kept_bytes == 0) return 0;
  if (have == INPUT_ROOM && used == 0) return cbl_fail(loop->result->error, "too long a message");
  uint8_t *kept = realloc(connection->kept, connection->kept_bytes);
  if (kept == NULL) return cbl_fail(loop->result->error, "out of memory");
  connection->kept = kept;
  memcpy(kept, loop->input + used, connection->kept_bytes);
  return 0;
}

static int receive(struct cbl_loop *loop, struct cbl_connection *connection) {
  size_t have = connection->kept_bytes;
  if (have > 0) memcpy(loop->input, connection->kept, have);
  ssize_t count = read(connection->descriptor, loop->input + have, INPUT_ROOM - have);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (count <= 0) return cbl_fail(loop->result->error, "the server closed the connection");
  have += (size_t)count;
  loop->input[have] = 0;
  loop->now_ns = cbl_now_ns(CLOCK_MONOTONIC);
  uint32_t before = connection->outstanding;
  ssize_t used = loop->work->receive(loop, connection, loop->input, have);
  if (used < 0 || keep(loop, connection, (size_t)used, have) != 0) return -1;
  if (loop->now_ns > loop->measure_to_ns) return 0;
  return send_calls(loop, connection, before - connection->outstanding);
}

static uint64_t outstanding(struct cbl_loop *loop) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < loop->opened; i++) sum += loop->connections[i].outstanding;
  return sum;
}

// Waits for input as long as the load has time; returns how many connections have some.
static int wait_for_input(struct cbl_loop *loop, struct epoll_event *events) {
  uint64_t wait = LONGEST_WAIT_NS;
  if (loop->work->turn != NULL) {
    int64_t time = loop->work->turn(loop);
    if (time < 0) return -1;
    if ((uint64_t)time < wait) wait = (uint64_t)time;
    // A plain wait counts in milliseconds, which is too coarse for a pace.
    struct timespec span = {.tv_nsec = (long)wait};
    int ready = epoll_pwait2(loop->epoll, events, EVENTS, &span, NULL);
    return ready < 0 && errno != EINTR ? cbl_fail_errno(loop->result->error, "epoll_pwait2")
                                       : ready < 0 ? 0 : ready;
  }
  int ready = epoll_wait(loop->epoll, events, EVENTS, (int)(wait / 1000000));
  return ready < 0 ? 0 : ready;
}

int cbl_loop_run(struct cbl_loop *loop) {
  struct epoll_event events[EVENTS];
  const struct cbl_load_options *options = loop->options;
  loop->start_ns = loop->now_ns = cbl_now_ns(CLOCK_MONOTONIC);
  loop->measure_from_ns = loop->start_ns + (uint64_t)(options->warmup_seconds * 1e9);
  loop->measure_to_ns = loop->measure_from_ns + (uint64_t)(options->seconds * 1e9);
  for (uint32_t i = 0; i < loop->opened; i++) {
    if (send_calls(loop, loop->connections + i, options->in_flight) != 0) return -1;
  }
  for (;;) {
    int ready = wait_for_input(loop, events);
    if (ready < 0) return -1;
    for (int i = 0; i < ready; i++) {
      if (receive(loop, events[i].data.ptr) != 0) return -1;
    }
    uint64_t now = cbl_now_ns(CLOCK_MONOTONIC);
    if (options->stop != NULL && *options->stop != 0 && now < loop->measure_to_ns) {
      loop->measure_to_ns = now;
    }
    if (now > loop->measure_to_ns + DRAIN_LIMIT_NS) return 0;
    if ((now > loop->measure_to_ns || loop->left == 0) && outstanding(loop) == 0) return 0;
  }
}

void cbl_loop_end(struct cbl_loop *loop) {
  uint64_t end = cbl_now_ns(CLOCK_MONOTONIC);
  struct cbl_load_result *result = loop->result;
  if (end > loop->measure_to_ns) end = loop->measure_to_ns;
  result->seconds = end > loop->measure_from_ns ? (double)(end - loop->measure_from_ns) * 1e-9 : 0;
  result->unanswered = outstanding(loop) * loop->weight;
  if (loop->options->calls > 0 && loop->left > 0) {
    cbl_fail(result->error, "the calls took longer than they may");
  }
  for (uint32_t i = 0; i < loop->opened; i++) {
    close(loop->connections[i].descriptor);
    free(loop->connections[i].slots);
    free(loop->connections[i].kept);
  }
  free(loop->connections);
  free(loop->input);
  if (loop->epoll >= 0) close(loop->epoll);
}

int cbl_loop_all(struct cbl_loop *loop) {
  int failed = cbl_loop_begin(loop, 0) != 0 ||
               cbl_loop_open(loop, loop->options, loop->options->connections) != 0 ||
               cbl_loop_run(loop) != 0;
  cbl_loop_end(loop);
  return failed ? -1 : 0;
}

void cbl_sent(struct cbl_loop *loop, struct cbl_connection *connection, uint32_t tag) {
  connection->slots[tag & loop->slot_mask] = (struct cbl_slot){tag, loop->now_ns};
  connection->outstanding++;
}

void cbl_answered(struct cbl_loop *loop, struct cbl_connection *connection, uint32_t tag) {
  struct cbl_load_result *result = loop->result;
  struct cbl_slot slot = connection->slots[tag & loop->slot_mask];
  connection->outstanding--;
  result->answered += loop->weight;
  if (loop->now_ns < loop->measure_from_ns || loop->now_ns > loop->measure_to_ns) return;
  if (slot.tag != tag) return;
  result->calls += loop->weight;
  cbl_record(result->latency, loop->now_ns - slot.sent_ns);
}

void cbl_refused(struct cbl_loop *loop, struct cbl_connection *connection, uint32_t code,
                 const uint8_t *payload, size_t bytes) {
  struct cbl_load_result *result = loop->result;
  connection->outstanding--;
  result->failed += loop->weight;
  if (result->failed > loop->weight) return;
  result->failure_code = code;
  result->failure_bytes = bytes <= sizeof result->failure ? (uint32_t)bytes : 0;
  if (result->failure_bytes > 0) memcpy(result->failure, payload, result->failure_bytes);
}

ssize_t cbl_take_frames(struct cbl_loop *loop, struct cbl_connection *connection, uint8_t *bytes,
                        size_t count, cbl_reply reply) {
  char *error = loop->result->error;
  int all_are_replies = loop->options->kind == CBL_LOAD_ECHO;
  size_t at = 0;
  while (count - at >= HEADER) {
    uint8_t *frame = bytes + at;
    uint32_t length;
    memcpy(&length, frame, 4);
    length = ntohl(length);
    if (length < 12 || length > INPUT_ROOM - 4) return cbl_fail(error, "an impossible length");
    if (count - at < 4 + (size_t)length) break;
    at += 4 + (size_t)length;
    if (frame[4] == KIND_REPLY || all_are_replies) {
      if (reply(loop, connection, frame, length - 12) != 0) return -1;
    } else if (frame[4] == KIND_PING) {
      frame[4]++;
      if (cbl_write(connection->descriptor, frame, 4 + length, error) != 0) return -1;
    } else if (frame[4] == KIND_GOAWAY) {
      return cbl_fail(error, "the server said GOAWAY");
    }
  }
  return (ssize_t)at;
}

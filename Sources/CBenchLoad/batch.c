#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "native.h"

enum { METHOD_REPORT_BATCH = 5, MAXIMUM_REPORTS = 1000, REPORT_ROOM = 256, INPUT_ROOM = 1 << 20 };
static const double DRAIN_LIMIT_SECONDS = 10;
static const char LOG_ID[] = "00000000-0000-7000-8000-000000000000";
static const char MESSAGE[] = "Exported the order to CustomSoft as SO-204711; 12 lines";

struct connection {
  int descriptor;
  uint32_t next_call, outstanding, first;
  uint64_t *sent_ns;
  size_t have;
  uint8_t *input;
};

struct load {
  const struct cbl_load_options *options;
  struct cbl_load_result *result;
  struct connection *connections;
  uint32_t reports;
  // One report, and where its id and entity stand in it.
  uint8_t report[REPORT_ROOM];
  size_t report_bytes, id_at, entity_at;
  uint8_t *frame;
  uint64_t random, measure_from_ns, measure_to_ns;
  int epoll;
};

static uint8_t *put_report(uint8_t *at, const char *action) {
  uint8_t entity[64];
  uint8_t *end = cbl_put_text(cbl_put_text(entity, 1, "order"), 2, "#######");
  at = cbl_put_text(at, 1, LOG_ID);
  *at++ = 2 << 3;
  *at++ = 1;
  at = cbl_put_bytes(cbl_put_text(at, 3, action), 4, entity, (size_t)(end - entity));
  *at++ = 5 << 3;
  *at++ = 3;
  return cbl_put_text(at, 6, MESSAGE);
}

uint32_t cbl_report_bytes(void) {
  uint8_t report[REPORT_ROOM], request[2 * REPORT_ROOM];
  size_t count = (size_t)(put_report(report, "bench_export") - report);
  uint8_t *end = cbl_put_bytes(cbl_put_text(request, 1, "bench-1"), 2, report, count);
  return (uint32_t)(end - request);
}

static uint64_t next_random(struct load *load) {
  uint64_t x = load->random;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return load->random = x;
}

static void vary(struct load *load, uint64_t wall_ms) {
  char id[sizeof LOG_ID], entity[8];
  unsigned long long a = next_random(load), b = next_random(load);
  snprintf(id, sizeof id, "%08x-%04x-7%03x-8%03x-%012llx", (unsigned)(wall_ms >> 16),
           (unsigned)(wall_ms & 0xffff), (unsigned)(a & 0xfff), (unsigned)(a >> 12 & 0xfff),
           b & 0xffffffffffffull);
  snprintf(entity, sizeof entity, "%07u", (unsigned)((a >> 32) % 1000000));
  memcpy(load->report + load->id_at, id, sizeof LOG_ID - 1);
  memcpy(load->report + load->entity_at, entity, 7);
}

static int send_batch(struct load *load, struct connection *connection) {
  uint64_t wall_ms = cbl_now_ns(CLOCK_REALTIME) / 1000000;
  char agent[32];
  snprintf(agent, sizeof agent, "bench-%d", (int)(connection - load->connections));
  uint8_t *end = cbl_put_text(load->frame + HEADER, 1, agent);
  for (uint32_t i = 0; i < load->reports; i++) {
    vary(load, wall_ms);
    end = cbl_put_bytes(end, 2, load->report, load->report_bytes);
  }
  uint32_t ring = load->options->in_flight;
  connection->sent_ns[(connection->first + connection->outstanding++) % ring] =
      cbl_now_ns(CLOCK_MONOTONIC);
  size_t payload = (size_t)(end - load->frame) - HEADER;
  cbl_put_header(load->frame, KIND_CALL, METHOD_REPORT_BATCH, ++connection->next_call, payload);
  return cbl_write(connection->descriptor, load->frame, HEADER + payload, load->result->error);
}

// How many of a reply's outcomes carry a code other than 0. An outcome without one begins with
// another field; see ReportLogBatchResponse.
static uint32_t refused_outcomes(const uint8_t *at, const uint8_t *end, uint32_t *outcomes) {
  uint32_t refused = 0;
  while (end - at >= 2 && *at == (1 << 3 | 2)) {
    size_t bytes = at[1] & 127, head = 2;
    if (at[1] >= 128) bytes |= (size_t)at[head++] << 7;
    refused += bytes > 0 && at[head] == 1 << 3;
    at += head + bytes;
    *outcomes += 1;
  }
  return refused;
}

static int take_reply(struct load *load, struct connection *connection, const uint8_t *frame,
                      const uint8_t *end, uint64_t now) {
  struct cbl_load_result *result = load->result;
  uint64_t sent = connection->sent_ns[connection->first];
  connection->first = (connection->first + 1) % load->options->in_flight;
  connection->outstanding--;
  uint32_t outcomes = 0, refused = refused_outcomes(frame + HEADER, end, &outcomes);
  if (frame[6] != 0 || frame[7] != 0 || refused > 0 || outcomes != load->reports) {
    result->failed += load->reports;
    return cbl_fail(result->error, "a batch or a report in it was refused");
  }
  result->answered += load->reports;
  if (now < load->measure_from_ns || now > load->measure_to_ns) return 0;
  result->calls += load->reports;
  cbl_record(result->latency, now - sent);
  return 0;
}

static int receive(struct load *load, struct connection *connection) {
  ssize_t count = read(connection->descriptor, connection->input + connection->have,
                       INPUT_ROOM - connection->have);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (count <= 0) return cbl_fail(load->result->error, "the server closed the connection");
  connection->have += (size_t)count;
  uint64_t now = cbl_now_ns(CLOCK_MONOTONIC);
  size_t at = 0;
  while (connection->have - at >= HEADER) {
    uint8_t *frame = connection->input + at;
    uint32_t length;
    memcpy(&length, frame, 4);
    length = ntohl(length);
    if (length < 12 || length > INPUT_ROOM - 4) {
      return cbl_fail(load->result->error, "a frame of impossible length");
    }
    if (connection->have - at < 4 + (size_t)length) break;
    at += 4 + (size_t)length;
    if (frame[4] == KIND_GOAWAY) return cbl_fail(load->result->error, "the server said GOAWAY");
    if (frame[4] != KIND_REPLY) continue;
    if (take_reply(load, connection, frame, connection->input + at, now) != 0) return -1;
    if (now <= load->measure_to_ns && send_batch(load, connection) != 0) return -1;
  }
  connection->have -= at;
  memmove(connection->input, connection->input + at, connection->have);
  return 0;
}

static int open_connection(struct load *load, struct connection *connection) {
  char *error = load->result->error;
  connection->descriptor = cbl_open(load->options, error);
  if (connection->descriptor < 0) return -1;
  connection->input = malloc(INPUT_ROOM);
  connection->sent_ns = calloc(load->options->in_flight, sizeof *connection->sent_ns);
  if (!connection->input || !connection->sent_ns) return cbl_fail(error, "out of memory");
  if (cbl_hello(connection->descriptor, load->options->token, error) != 0) return -1;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  return epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->descriptor, &event);
}

static uint64_t outstanding(struct load *load) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < load->options->connections; i++) sum += load->connections[i].outstanding;
  return sum;
}

static int run(struct load *load) {
  struct epoll_event events[64];
  uint64_t give_up = load->measure_to_ns + (uint64_t)(DRAIN_LIMIT_SECONDS * 1e9);
  for (uint32_t i = 0; i < load->options->connections * load->options->in_flight; i++) {
    if (send_batch(load, load->connections + i % load->options->connections) != 0) return -1;
  }
  for (;;) {
    int ready = epoll_wait(load->epoll, events, 64, 100);
    for (int i = 0; i < ready; i++) {
      if (receive(load, events[i].data.ptr) != 0) return -1;
    }
    uint64_t now = cbl_now_ns(CLOCK_MONOTONIC);
    if (now > give_up || (now > load->measure_to_ns && outstanding(load) == 0)) return 0;
  }
}

int cbl_batch_load(const struct cbl_load_options *options, uint32_t reports,
                   struct cbl_load_result *result) {
  struct load load = {.options = options, .result = result, .random = options->seed | 1};
  *result = (struct cbl_load_result){.latency = result->latency};
  load.reports = reports < MAXIMUM_REPORTS ? reports : MAXIMUM_REPORTS;
  load.report_bytes = (size_t)(put_report(load.report, options->action) - load.report);
  load.id_at = 2;
  load.entity_at =
      (size_t)((uint8_t *)memmem(load.report, load.report_bytes, "#######", 7) - load.report);
  load.frame = malloc(HEADER + 64 + (size_t)load.reports * (REPORT_ROOM + 4));
  load.connections = calloc(options->connections, sizeof *load.connections);
  load.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (load.frame == NULL || load.connections == NULL || load.epoll < 0) {
    return cbl_fail_errno(result->error, "epoll_create1");
  }
  int failed = 0;
  uint32_t opened = 0;
  while (!failed && opened < options->connections) {
    failed = open_connection(&load, load.connections + opened++) != 0;
  }
  load.measure_from_ns = cbl_now_ns(CLOCK_MONOTONIC) + (uint64_t)(options->warmup_seconds * 1e9);
  load.measure_to_ns = load.measure_from_ns + (uint64_t)(options->seconds * 1e9);
  if (!failed) failed = run(&load) != 0;
  uint64_t end = cbl_now_ns(CLOCK_MONOTONIC);
  if (end > load.measure_to_ns) end = load.measure_to_ns;
  result->seconds = end > load.measure_from_ns ? (double)(end - load.measure_from_ns) * 1e-9 : 0;
  result->unanswered = outstanding(&load) * load.reports;
  for (uint32_t i = 0; i < opened; i++) {
    if (load.connections[i].descriptor >= 0) close(load.connections[i].descriptor);
    free(load.connections[i].input);
    free(load.connections[i].sent_ns);
  }
  free(load.connections);
  free(load.frame);
  close(load.epoll);
  return failed ? -1 : 0;
}

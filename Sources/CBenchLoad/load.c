#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "native.h"

enum { ECHO_FRAME = 104, TEMPLATE_ROOM = 512, INPUT_ROOM = 1 << 20 };
// When each call of a connection was sent, by its id modulo this.
enum { SLOTS = 8192 };
static const double DRAIN_LIMIT_SECONDS = 10;

struct slot {
  uint32_t call;
  uint64_t sent_ns;
};

struct connection {
  int descriptor;
  uint32_t next_call;
  uint32_t outstanding;
  size_t have;
  uint8_t *input;
  uint8_t *output;
  struct slot *slots;
  // One frame with everything but the call's id, the log's id, the entity and the status.
  uint8_t frame[TEMPLATE_ROOM];
  size_t frame_bytes;
  size_t log_id_at, entity_at, status_at;
};

struct load {
  const struct cbl_load_options *options;
  struct cbl_load_result *result;
  struct connection *connections;
  int epoll;
  uint64_t random;
  uint64_t measure_from_ns, measure_to_ns;
};

static uint64_t next_random(struct load *load) {
  uint64_t x = load->random;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return load->random = x;
}

static size_t find(const uint8_t *frame, size_t count, const char *text) {
  return (size_t)((uint8_t *)memmem(frame, count, text, strlen(text)) - frame);
}

static void make_report(struct connection *connection, const char *agent, const char *action) {
  static const char log_id[] = "00000000-0000-7000-8000-000000000000";
  static const char message[] = "Exported the order to CustomSoft as SO-204711; 12 lines";
  uint8_t entity[64], report[TEMPLATE_ROOM / 2];
  uint8_t *e = cbl_put_text(cbl_put_text(entity, 1, "order"), 2, "#######");
  uint8_t *r = cbl_put_text(report, 1, log_id);
  *r++ = 2 << 3;
  *r++ = 1;
  r = cbl_put_bytes(cbl_put_text(r, 3, action), 4, entity, (size_t)(e - entity));
  *r++ = 5 << 3;
  size_t status_in_report = (size_t)(r - report);
  *r++ = 3;
  r = cbl_put_text(r, 6, message);
  uint8_t *end = cbl_put_text(connection->frame + HEADER, 1, agent);
  end = cbl_put_bytes(end, 2, report, (size_t)(r - report));
  connection->frame_bytes = (size_t)(end - connection->frame);
  connection->log_id_at = find(connection->frame, connection->frame_bytes, log_id);
  connection->entity_at = find(connection->frame, connection->frame_bytes, "#######");
  connection->status_at = connection->frame_bytes - (size_t)(r - report) + status_in_report;
}

static void make_heartbeat(struct connection *connection, const char *agent) {
  uint8_t *end = cbl_put_text(cbl_put_text(connection->frame + HEADER, 1, agent), 2, "instance-1");
  *end++ = 3 << 3;
  *end++ = 0x90;  // 10,000 ms
  *end++ = 0x4e;
  end = cbl_put_text(end, 4, "1.2.3");
  connection->frame_bytes = (size_t)(end - connection->frame);
}

static void make_frame(struct load *load, struct connection *connection) {
  char agent[32];
  snprintf(agent, sizeof agent, "bench-%d", (int)(connection - load->connections));
  switch (load->options->kind) {
    case CBL_LOAD_ECHO:
      memset(connection->frame, 'a', ECHO_FRAME);
      connection->frame_bytes = ECHO_FRAME;
      break;
    case CBL_LOAD_HEARTBEAT:
      make_heartbeat(connection, agent);
      break;
    case CBL_LOAD_REPORT:
      make_report(connection, agent, load->options->action);
      break;
  }
}

static void put_hex(uint8_t *at, uint64_t value, int digits) {
  static const char hex[] = "0123456789abcdef";
  for (int i = digits - 1; i >= 0; i--, value >>= 4) at[i] = (uint8_t)hex[value & 15];
}

static void vary_report(struct load *load, struct connection *connection, uint8_t *frame,
                        uint64_t wall_ms) {
  uint64_t a = next_random(load), b = next_random(load);
  uint8_t *id = frame + connection->log_id_at;
  put_hex(id, wall_ms >> 16, 8);
  put_hex(id + 9, wall_ms & 0xffff, 4);
  put_hex(id + 15, a & 0xfff, 3);
  put_hex(id + 19, 0x8000 | ((a >> 12) & 0x3fff), 4);
  put_hex(id + 24, b & 0xffffffffffffull, 12);
  uint64_t entity = (a >> 32) % 1000000;
  uint8_t *digits = frame + connection->entity_at;
  for (int i = 6; i >= 0; i--, entity /= 10) digits[i] = (uint8_t)('0' + entity % 10);
  frame[connection->status_at] = (b >> 48) % 20 ? 3 : 4;
}

static int send_calls(struct load *load, struct connection *connection, uint32_t count) {
  uint64_t now = cbl_now_ns(CLOCK_MONOTONIC), wall_ms = cbl_now_ns(CLOCK_REALTIME) / 1000000;
  uint8_t *end = connection->output;
  uint16_t method = load->options->kind == CBL_LOAD_REPORT ? METHOD_REPORT : METHOD_HEARTBEAT;
  size_t payload = connection->frame_bytes - HEADER;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t call = ++connection->next_call;
    memcpy(end, connection->frame, connection->frame_bytes);
    cbl_put_header(end, KIND_CALL, method, call, payload);
    if (load->options->kind == CBL_LOAD_REPORT) vary_report(load, connection, end, wall_ms);
    connection->slots[call % SLOTS] = (struct slot){call, now};
    end += connection->frame_bytes;
  }
  connection->outstanding += count;
  return cbl_write(connection->descriptor, connection->output,
                   (size_t)(end - connection->output), load->result->error);
}

static void take_reply(struct load *load, struct connection *connection, const uint8_t *frame,
                       size_t length, uint64_t now) {
  uint32_t call;
  uint16_t code;
  memcpy(&call, frame + 8, 4);
  memcpy(&code, frame + 6, 2);
  call = ntohl(call);
  code = frame[4] == KIND_REPLY ? ntohs(code) : 0;
  connection->outstanding--;
  struct cbl_load_result *result = load->result;
  if (code != 0) {
    if (result->failed++ > 0) return;
    result->failure_code = code;
    result->failure_bytes = (uint32_t)(length - 12);
    if (result->failure_bytes > sizeof result->failure) result->failure_bytes = 0;
    memcpy(result->failure, frame + HEADER, result->failure_bytes);
    return;
  }
  result->answered++;
  struct slot slot = connection->slots[call % SLOTS];
  if (now < load->measure_from_ns || now > load->measure_to_ns || slot.call != call) return;
  result->calls++;
  cbl_record(result->latency, now - slot.sent_ns);
}

// Takes the whole frames in the input; returns how many calls they answered, or -1.
static int take_frames(struct load *load, struct connection *connection, uint64_t now) {
  size_t at = 0;
  uint32_t before = connection->outstanding;
  while (connection->have - at >= HEADER) {
    uint8_t *frame = connection->input + at;
    uint32_t length;
    memcpy(&length, frame, 4);
    length = ntohl(length);
    if (length < 12 || length > INPUT_ROOM - 4) {
      return cbl_fail(load->result->error, "a frame of impossible length");
    }
    if (connection->have - at < 4 + (size_t)length) break;
    if (frame[4] == KIND_REPLY || load->options->kind == CBL_LOAD_ECHO) {
      take_reply(load, connection, frame, length, now);
    } else if (frame[4] == KIND_PING) {
      frame[4]++;
      char *error = load->result->error;
      if (cbl_write(connection->descriptor, frame, 4 + length, error) != 0) return -1;
    } else if (frame[4] == KIND_GOAWAY) {
      return cbl_fail(load->result->error, "the server said GOAWAY");
    }
    at += 4 + length;
  }
  memmove(connection->input, connection->input + at, connection->have - at);
  connection->have -= at;
  return (int)(before - connection->outstanding);
}

static int receive(struct load *load, struct connection *connection) {
  ssize_t count = read(connection->descriptor, connection->input + connection->have,
                       INPUT_ROOM - connection->have);
  if (count < 0 && errno == EAGAIN) return 0;
  if (count <= 0) return cbl_fail(load->result->error, "the server closed the connection");
  connection->have += (size_t)count;
  uint64_t now = cbl_now_ns(CLOCK_MONOTONIC);
  int answered = take_frames(load, connection, now);
  if (answered <= 0 || now > load->measure_to_ns) return answered < 0 ? -1 : 0;
  return send_calls(load, connection, (uint32_t)answered);
}

static int open_connection(struct load *load, struct connection *connection) {
  connection->descriptor = cbl_open(load->options, load->result->error);
  if (connection->descriptor < 0) return -1;
  make_frame(load, connection);
  connection->input = malloc(INPUT_ROOM);
  connection->output = malloc(connection->frame_bytes * load->options->in_flight);
  connection->slots = calloc(SLOTS, sizeof *connection->slots);
  if (!connection->input || !connection->output || !connection->slots) {
    return cbl_fail(load->result->error, "out of memory");
  }
  char *error = load->result->error;
  if (load->options->kind != CBL_LOAD_ECHO &&
      cbl_hello(connection->descriptor, load->options->token, error) != 0) {
    return -1;
  }
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  return epoll_ctl(load->epoll, EPOLL_CTL_ADD, connection->descriptor, &event);
}

static uint64_t outstanding(struct load *load) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < load->options->connections; i++) sum += load->connections[i].outstanding;
  return sum;
}

static int run(struct load *load) {
  struct epoll_event events[256];
  uint64_t give_up = load->measure_to_ns + (uint64_t)(DRAIN_LIMIT_SECONDS * 1e9);
  for (uint32_t i = 0; i < load->options->connections; i++) {
    if (send_calls(load, load->connections + i, load->options->in_flight) != 0) return -1;
  }
  for (;;) {
    int ready = epoll_wait(load->epoll, events, 256, 100);
    for (int i = 0; i < ready; i++) {
      if (receive(load, events[i].data.ptr) != 0) return -1;
    }
    uint64_t now = cbl_now_ns(CLOCK_MONOTONIC);
    if (now > give_up || (now > load->measure_to_ns && outstanding(load) == 0)) return 0;
  }
}

int cbl_load(const struct cbl_load_options *options, struct cbl_load_result *result) {
  struct load load = {.options = options, .result = result, .random = options->seed | 1};
  *result = (struct cbl_load_result){.latency = result->latency};
  load.connections = calloc(options->connections, sizeof *load.connections);
  load.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (load.connections == NULL || load.epoll < 0) {
    return cbl_fail_errno(result->error, "epoll_create1");
  }
  int failed = 0;
  uint32_t opened = 0;
  while (!failed && opened < options->connections) {
    failed = open_connection(&load, load.connections + opened++) != 0;
  }
  uint64_t start = cbl_now_ns(CLOCK_MONOTONIC);
  load.measure_from_ns = start + (uint64_t)(options->warmup_seconds * 1e9);
  load.measure_to_ns = load.measure_from_ns + (uint64_t)(options->seconds * 1e9);
  if (!failed) failed = run(&load) != 0;
  uint64_t end = cbl_now_ns(CLOCK_MONOTONIC);
  if (end > load.measure_to_ns) end = load.measure_to_ns;
  result->seconds = end > load.measure_from_ns ? (double)(end - load.measure_from_ns) * 1e-9 : 0;
  result->unanswered = outstanding(&load);
  for (uint32_t i = 0; i < opened; i++) {
    struct connection *connection = load.connections + i;
    if (connection->descriptor >= 0) close(connection->descriptor);
    free(connection->input);
    free(connection->output);
    free(connection->slots);
  }
  free(load.connections);
  close(load.epoll);
  return failed ? -1 : 0;
}

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "CBenchLoad.h"

enum { HEADER = 16, ECHO_FRAME = 104, TEMPLATE_ROOM = 512, INPUT_ROOM = 1 << 20 };
enum { KIND_HELLO = 1, KIND_CALL = 2, KIND_REPLY = 3, KIND_PING = 6, KIND_GOAWAY = 8 };
enum { METHOD_REPORT = 2, METHOD_HEARTBEAT = 4 };
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

static uint64_t now_ns(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t next_random(struct load *load) {
  uint64_t x = load->random;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return load->random = x;
}

static int fail(struct load *load, const char *what) {
  char *error = load->result->error;
  if (error[0] == 0) snprintf(error, sizeof load->result->error, "%s", what);
  return -1;
}

static int fail_errno(struct load *load, const char *call) {
  char text[128];
  snprintf(text, sizeof text, "%s: %s", call, strerror(errno));
  return fail(load, text);
}

static void put_header(uint8_t *at, uint8_t kind, uint16_t number, uint32_t call, size_t payload) {
  uint32_t length = htonl((uint32_t)(12 + payload)), id = htonl(call);
  uint16_t big_number = htons(number);
  memset(at, 0, HEADER);
  memcpy(at, &length, 4);
  at[4] = kind;
  memcpy(at + 6, &big_number, 2);
  memcpy(at + 8, &id, 4);
}

// A length-delimited protobuf field of fewer than 16,384 bytes.
static uint8_t *put_bytes(uint8_t *at, int field, const void *bytes, size_t count) {
  *at++ = (uint8_t)(field << 3 | 2);
  if (count >= 128) *at++ = (uint8_t)((count & 127) | 128);
  *at++ = (uint8_t)(count >= 128 ? count >> 7 : count);
  memcpy(at, bytes, count);
  return at + count;
}

static uint8_t *put_text(uint8_t *at, int field, const char *text) {
  return put_bytes(at, field, text, strlen(text));
}

static size_t find(const uint8_t *frame, size_t count, const char *text) {
  return (size_t)((uint8_t *)memmem(frame, count, text, strlen(text)) - frame);
}

static void make_report(struct connection *connection, const char *agent, const char *action) {
  static const char log_id[] = "00000000-0000-7000-8000-000000000000";
  static const char message[] = "Exported the order to CustomSoft as SO-204711; 12 lines";
  uint8_t entity[64], report[TEMPLATE_ROOM / 2];
  uint8_t *e = put_text(put_text(entity, 1, "order"), 2, "#######");
  uint8_t *r = put_text(report, 1, log_id);
  *r++ = 2 << 3;
  *r++ = 1;
  r = put_bytes(put_text(r, 3, action), 4, entity, (size_t)(e - entity));
  *r++ = 5 << 3;
  size_t status_in_report = (size_t)(r - report);
  *r++ = 3;
  r = put_text(r, 6, message);
  uint8_t *end = put_text(connection->frame + HEADER, 1, agent);
  end = put_bytes(end, 2, report, (size_t)(r - report));
  connection->frame_bytes = (size_t)(end - connection->frame);
  connection->log_id_at = find(connection->frame, connection->frame_bytes, log_id);
  connection->entity_at = find(connection->frame, connection->frame_bytes, "#######");
  connection->status_at = connection->frame_bytes - (size_t)(r - report) + status_in_report;
}

static void make_heartbeat(struct connection *connection, const char *agent) {
  uint8_t *end = put_text(put_text(connection->frame + HEADER, 1, agent), 2, "instance-1");
  *end++ = 3 << 3;
  *end++ = 0x90;  // 10,000 ms
  *end++ = 0x4e;
  end = put_text(end, 4, "1.2.3");
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

static int write_all(struct load *load, int descriptor, const uint8_t *bytes, size_t count) {
  while (count > 0) {
    ssize_t written = send(descriptor, bytes, count, MSG_NOSIGNAL);
    if (written < 0 && errno == EAGAIN) {
      struct pollfd wait = {.fd = descriptor, .events = POLLOUT};
      if (poll(&wait, 1, 10000) != 1) return fail(load, "the server takes no bytes for 10 s");
      continue;
    }
    if (written <= 0) return fail_errno(load, "send");
    bytes += written;
    count -= (size_t)written;
  }
  return 0;
}

static int send_calls(struct load *load, struct connection *connection, uint32_t count) {
  uint64_t now = now_ns(CLOCK_MONOTONIC), wall_ms = now_ns(CLOCK_REALTIME) / 1000000;
  uint8_t *end = connection->output;
  uint16_t method = load->options->kind == CBL_LOAD_REPORT ? METHOD_REPORT : METHOD_HEARTBEAT;
  size_t payload = connection->frame_bytes - HEADER;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t call = ++connection->next_call;
    memcpy(end, connection->frame, connection->frame_bytes);
    put_header(end, KIND_CALL, method, call, payload);
    if (load->options->kind == CBL_LOAD_REPORT) vary_report(load, connection, end, wall_ms);
    connection->slots[call % SLOTS] = (struct slot){call, now};
    end += connection->frame_bytes;
  }
  connection->outstanding += count;
  return write_all(load, connection->descriptor, connection->output,
                   (size_t)(end - connection->output));
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
  cbl_record(&result->latency, now - slot.sent_ns);
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
    if (length < 12 || length > INPUT_ROOM - 4) return fail(load, "a frame of impossible length");
    if (connection->have - at < 4 + (size_t)length) break;
    if (frame[4] == KIND_REPLY || load->options->kind == CBL_LOAD_ECHO) {
      take_reply(load, connection, frame, length, now);
    } else if (frame[4] == KIND_PING) {
      frame[4]++;
      if (write_all(load, connection->descriptor, frame, 4 + length) != 0) return -1;
    } else if (frame[4] == KIND_GOAWAY) {
      return fail(load, "the server said GOAWAY");
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
  if (count <= 0) return fail(load, "the server closed the connection");
  connection->have += (size_t)count;
  uint64_t now = now_ns(CLOCK_MONOTONIC);
  int answered = take_frames(load, connection, now);
  if (answered <= 0 || now > load->measure_to_ns) return answered < 0 ? -1 : 0;
  return send_calls(load, connection, (uint32_t)answered);
}

static int open_socket(struct load *load) {
  const struct cbl_load_options *options = load->options;
  int one = 1;
  if (options->unix_path != NULL) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", options->unix_path);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) {
      return fail_errno(load, "connect");
    }
    return descriptor;
  }
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  int failure = getaddrinfo(options->host, options->port, &hints, &found);
  if (failure != 0) return fail(load, gai_strerror(failure));
  int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int connected = connect(descriptor, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  if (connected != 0) return fail_errno(load, "connect");
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return descriptor;
}

static int say_hello(struct load *load, struct connection *connection) {
  uint8_t hello[1024], *end = hello + 8 + HEADER;
  if (strlen(load->options->token) > 512) return fail(load, "the token is longer than 512 bytes");
  memcpy(hello, "IMRPC/1\n", 8);
  *end++ = 1 << 3;
  *end++ = 1;
  *end++ = 2 << 3;
  *end++ = 1;
  end = put_text(put_text(end, 3, load->options->token), 4, "integration-bench");
  put_header(hello + 8, KIND_HELLO, 0, 0, (size_t)(end - hello) - 8 - HEADER);
  return write_all(load, connection->descriptor, hello, (size_t)(end - hello));
}

static int open_connection(struct load *load, struct connection *connection) {
  connection->descriptor = open_socket(load);
  if (connection->descriptor < 0) return -1;
  make_frame(load, connection);
  connection->input = malloc(INPUT_ROOM);
  connection->output = malloc(connection->frame_bytes * load->options->in_flight);
  connection->slots = calloc(SLOTS, sizeof *connection->slots);
  if (!connection->input || !connection->output || !connection->slots) {
    return fail(load, "out of memory");
  }
  if (load->options->kind != CBL_LOAD_ECHO && say_hello(load, connection) != 0) return -1;
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
    uint64_t now = now_ns(CLOCK_MONOTONIC);
    if (now > give_up || (now > load->measure_to_ns && outstanding(load) == 0)) return 0;
  }
}

int cbl_load(const struct cbl_load_options *options, struct cbl_load_result *result) {
  struct load load = {.options = options, .result = result, .random = options->seed | 1};
  memset(result, 0, sizeof *result);
  load.connections = calloc(options->connections, sizeof *load.connections);
  load.epoll = epoll_create1(EPOLL_CLOEXEC);
  if (load.connections == NULL || load.epoll < 0) return fail_errno(&load, "epoll_create1");
  int failed = 0;
  uint32_t opened = 0;
  while (!failed && opened < options->connections) {
    failed = open_connection(&load, load.connections + opened++) != 0;
  }
  uint64_t start = now_ns(CLOCK_MONOTONIC);
  load.measure_from_ns = start + (uint64_t)(options->warmup_seconds * 1e9);
  load.measure_to_ns = load.measure_from_ns + (uint64_t)(options->seconds * 1e9);
  if (!failed) failed = run(&load) != 0;
  uint64_t end = now_ns(CLOCK_MONOTONIC);
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

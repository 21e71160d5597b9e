#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "native.h"
#include "peers.h"

enum { INPUT_ROOM = 256 * 1024, MAXIMUM_PAYLOAD = 4096, MAXIMUM_HEAD = 256 };
static const double DRAIN_LIMIT_SECONDS = 10;

struct connection {
  int descriptor;
  int index;
  // Every peer answers a connection's puts in their order: when each was sent, as a ring.
  uint64_t *sent_ns;
  uint32_t first, outstanding;
  size_t have;
  char *input;
  char *output;
};

struct load {
  enum cbl_peer_kind kind;
  const struct cbl_load_options *options;
  struct cbl_load_result *result;
  struct connection *connections;
  char payload[MAXIMUM_PAYLOAD + 1];
  uint32_t payload_bytes;
  uint64_t number;
  int epoll;
  uint64_t measure_from_ns, measure_to_ns;
};

// One put; its payload differs from every other by a number in front.
static char *make_put(struct load *load, struct connection *connection, char *at) {
  char digits[17];
  snprintf(digits, sizeof digits, "%016llx", (unsigned long long)load->number++);
  memcpy(load->payload, digits, 16);
  unsigned bytes = load->payload_bytes;
  switch (load->kind) {
    case CBL_PEER_REDIS:
      at += sprintf(at, "*5\r\n$4\r\nXADD\r\n$7\r\nreports\r\n$1\r\n*\r\n$1\r\nr\r\n$%u\r\n",
                    bytes);
      break;
    case CBL_PEER_BEANSTALKD:
      at += sprintf(at, "put 0 0 60 %u\r\n", bytes);
      break;
    case CBL_PEER_NATS:
      at += sprintf(at, "PUB reports _INBOX.bench%d.r %u\r\n", connection->index, bytes);
      break;
  }
  memcpy(at, load->payload, bytes);
  memcpy(at + bytes, "\r\n", 2);
  return at + bytes + 2;
}

static int send_puts(struct load *load, struct connection *connection, uint32_t count) {
  uint64_t now = cbl_now_ns(CLOCK_MONOTONIC);
  char *end = connection->output;
  uint32_t ring = load->options->in_flight;
  for (uint32_t i = 0; i < count; i++) {
    end = make_put(load, connection, end);
    connection->sent_ns[(connection->first + connection->outstanding++) % ring] = now;
  }
  return cbl_write(connection->descriptor, (uint8_t *)connection->output,
                   (size_t)(end - connection->output), load->result->error);
}

static void take_answer(struct load *load, struct connection *connection, int good,
                        const char *line, uint64_t now) {
  struct cbl_load_result *result = load->result;
  if (connection->outstanding == 0) {
    cbl_fail(result->error, "an answer without a put");
    return;
  }
  uint64_t sent = connection->sent_ns[connection->first];
  connection->first = (connection->first + 1) % load->options->in_flight;
  connection->outstanding--;
  if (!good) {
    if (result->failed++ == 0) {
      snprintf(result->error, sizeof result->error, "refused: %.*s", (int)strcspn(line, "\r"),
               line);
    }
    return;
  }
  result->answered++;
  if (now < load->measure_from_ns || now > load->measure_to_ns) return;
  result->calls++;
  cbl_record(result->latency, now - sent);
}

// How many bytes the answer at `line` has with the body it announces; 0: not all is there.
static size_t answer_bytes(enum cbl_peer_kind kind, const char *line, size_t have) {
  const char *end = memmem(line, have, "\r\n", 2);
  if (end == NULL) return 0;
  size_t head = (size_t)(end - line) + 2, body = 0;
  if (kind == CBL_PEER_REDIS && line[0] == '$') {
    body = strtoul(line + 1, NULL, 10) + 2;
  } else if (kind == CBL_PEER_NATS && head > 4 && memcmp(line, "MSG ", 4) == 0) {
    const char *number = memrchr(line, ' ', head);
    body = strtoul(number, NULL, 10) + 2;
  }
  return head + body <= have ? head + body : 0;
}

// Takes one whole answer; returns 0, or -1 when the connection cannot go on.
static int take_line(struct load *load, struct connection *connection, const char *line,
                     size_t bytes, uint64_t now) {
  char *error = load->result->error;
  switch (load->kind) {
    case CBL_PEER_REDIS:
      take_answer(load, connection, line[0] == '$', line, now);
      return 0;
    case CBL_PEER_BEANSTALKD:
      take_answer(load, connection, strncmp(line, "INSERTED ", 9) == 0, line, now);
      return 0;
    case CBL_PEER_NATS:
      if (strncmp(line, "PING", 4) == 0) {
        return cbl_write(connection->descriptor, (const uint8_t *)"PONG\r\n", 6, error);
      }
      if (strncmp(line, "INFO", 4) == 0 || strncmp(line, "+OK", 3) == 0) return 0;
      if (strncmp(line, "MSG ", 4) != 0) return cbl_fail(error, "NATS refused a line");
      take_answer(load, connection, memmem(line, bytes, "\"seq\":", 6) != NULL, line, now);
      return 0;
  }
  return -1;
}

static int receive(struct load *load, struct connection *connection) {
  ssize_t count = read(connection->descriptor, connection->input + connection->have,
                       INPUT_ROOM - 1 - connection->have);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (count <= 0) return cbl_fail(load->result->error, "the server closed the connection");
  connection->have += (size_t)count;
  connection->input[connection->have] = 0;
  uint64_t now = cbl_now_ns(CLOCK_MONOTONIC);
  uint32_t before = connection->outstanding;
  size_t at = 0, bytes;
  while ((bytes = answer_bytes(load->kind, connection->input + at, connection->have - at)) > 0) {
    if (take_line(load, connection, connection->input + at, bytes, now) != 0) return -1;
    at += bytes;
  }
  connection->have -= at;
  memmove(connection->input, connection->input + at, connection->have);
  uint32_t answered = before - connection->outstanding;
  if (answered == 0 || now > load->measure_to_ns || load->result->failed > 0) return 0;
  return send_puts(load, connection, answered);
}

static int greet(struct load *load, struct connection *connection) {
  if (load->kind != CBL_PEER_NATS) return 0;
  char text[MAXIMUM_HEAD];
  int bytes = snprintf(text, sizeof text,
                       "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n"
                       "SUB _INBOX.bench%d.* 1\r\n",
                       connection->index);
  return cbl_write(connection->descriptor, (uint8_t *)text, (size_t)bytes, load->result->error);
}

static int open_connection(struct load *load, struct connection *connection) {
  uint32_t in_flight = load->options->in_flight;
  connection->descriptor = cbl_open(load->options, load->result->error);
  if (connection->descriptor < 0) return -1;
  connection->index = (int)(connection - load->connections);
  connection->input = malloc(INPUT_ROOM);
  connection->output = malloc((load->payload_bytes + MAXIMUM_HEAD) * (size_t)in_flight);
  connection->sent_ns = calloc(in_flight, sizeof *connection->sent_ns);
  if (!connection->input || !connection->output || !connection->sent_ns) {
    return cbl_fail(load->result->error, "out of memory");
  }
  if (greet(load, connection) != 0) return -1;
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
    if (send_puts(load, load->connections + i, load->options->in_flight) != 0) return -1;
  }
  for (;;) {
    int ready = epoll_wait(load->epoll, events, 256, 100);
    for (int i = 0; i < ready; i++) {
      if (receive(load, events[i].data.ptr) != 0) return -1;
    }
    uint64_t now = cbl_now_ns(CLOCK_MONOTONIC);
    if (now > give_up || (now > load->measure_to_ns && outstanding(load) == 0)) return 0;
    if (load->result->failed > 0 && outstanding(load) == 0) return -1;
  }
}

int cbl_peer_load(enum cbl_peer_kind kind, const struct cbl_load_options *options,
                  uint32_t payload_bytes, struct cbl_load_result *result) {
  struct load load = {.kind = kind, .options = options, .result = result};
  *result = (struct cbl_load_result){.latency = result->latency};
  load.payload_bytes = payload_bytes > MAXIMUM_PAYLOAD ? MAXIMUM_PAYLOAD : payload_bytes;
  memset(load.payload, 'a', sizeof load.payload);
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
  load.measure_from_ns =
      cbl_now_ns(CLOCK_MONOTONIC) + (uint64_t)(options->warmup_seconds * 1e9);
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
    free(connection->sent_ns);
  }
  free(load.connections);
  close(load.epoll);
  return failed ? -1 : 0;
}

int cbl_ask(uint16_t port, const char *request, const char *until, char *reply, uint32_t room) {
  char digits[8], error[CBL_ERROR_ROOM] = "";
  snprintf(digits, sizeof digits, "%u", port);
  struct cbl_load_options options = {.host = "127.0.0.1", .port = digits};
  int descriptor = cbl_open(&options, error);
  if (descriptor < 0) return -1;
  int failed = cbl_write(descriptor, (const uint8_t *)request, strlen(request), error);
  size_t have = 0;
  reply[0] = 0;
  while (!failed && strstr(reply, until) == NULL && have + 1 < room) {
    struct pollfd wait = {.fd = descriptor, .events = POLLIN};
    ssize_t count = poll(&wait, 1, 10000) == 1
                        ? recv(descriptor, reply + have, room - 1 - have, 0) : -1;
    if (count <= 0) {
      errno = count == 0 ? ECONNRESET : ETIMEDOUT;
      failed = 1;
      break;
    }
    have += (size_t)count;
    reply[have] = 0;
  }
  int cause = errno;
  close(descriptor);
  errno = cause;
  return failed ? -1 : (int)have;
}

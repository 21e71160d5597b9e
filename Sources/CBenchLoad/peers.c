#define _GNU_SOURCE
#include "peers.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "native.h"

enum { MAXIMUM_PAYLOAD = 4096, MAXIMUM_HEAD = 256 };

struct load {
  enum cbl_peer_kind kind;
  char payload[MAXIMUM_PAYLOAD + 1];
  uint32_t payload_bytes;
  uint64_t number;
  char *output;
  // Every peer answers a connection's puts in their order: the next one to be answered.
  uint32_t *answered;
};

// One put; its payload differs from every other by a number in front.
static char *make_put(struct load *load, struct cbl_connection *connection, char *at) {
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
      at += sprintf(at, "PUB reports _INBOX.bench%u.r %u\r\n", connection->index, bytes);
      break;
  }
  memcpy(at, load->payload, bytes);
  memcpy(at + bytes, "\r\n", 2);
  return at + bytes + 2;
}

static int send_puts(struct cbl_loop *loop, struct cbl_connection *connection, uint32_t count) {
  struct load *load = loop->load;
  char *end = load->output;
  for (uint32_t i = 0; i < count; i++) {
    end = make_put(load, connection, end);
    cbl_sent(loop, connection, connection->next_tag++);
  }
  return cbl_write(connection->descriptor, (uint8_t *)load->output, (size_t)(end - load->output),
                   loop->result->error);
}

static int take_answer(struct cbl_loop *loop, struct cbl_connection *connection, int good,
                       const char *line) {
  struct load *load = loop->load;
  char *error = loop->result->error;
  if (connection->outstanding == 0) return cbl_fail(error, "an answer without a put");
  if (good) {
    cbl_answered(loop, connection, load->answered[connection->index]++);
    return 0;
  }
  cbl_refused(loop, connection, 0, NULL, 0);
  snprintf(error, CBL_ERROR_ROOM, "refused: %.*s", (int)strcspn(line, "\r"), line);
  return -1;
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
static int take_line(struct cbl_loop *loop, struct cbl_connection *connection, const char *line,
                     size_t bytes) {
  char *error = loop->result->error;
  switch (((struct load *)loop->load)->kind) {
    case CBL_PEER_REDIS:
      return take_answer(loop, connection, line[0] == '$', line);
    case CBL_PEER_BEANSTALKD:
      return take_answer(loop, connection, strncmp(line, "INSERTED ", 9) == 0, line);
    case CBL_PEER_NATS:
      if (strncmp(line, "PING", 4) == 0) {
        return cbl_write(connection->descriptor, (const uint8_t *)"PONG\r\n", 6, error);
      }
      if (strncmp(line, "INFO", 4) == 0 || strncmp(line, "+OK", 3) == 0) return 0;
      if (strncmp(line, "MSG ", 4) != 0) return cbl_fail(error, "NATS refused a line");
      return take_answer(loop, connection, memmem(line, bytes, "\"seq\":", 6) != NULL, line);
  }
  return -1;
}

static ssize_t receive(struct cbl_loop *loop, struct cbl_connection *connection, uint8_t *input,
                       size_t count) {
  const char *text = (const char *)input;
  enum cbl_peer_kind kind = ((struct load *)loop->load)->kind;
  size_t at = 0, bytes;
  while ((bytes = answer_bytes(kind, text + at, count - at)) > 0) {
    if (take_line(loop, connection, text + at, bytes) != 0) return -1;
    at += bytes;
  }
  return (ssize_t)at;
}

static int greet(struct cbl_loop *loop, struct cbl_connection *connection) {
  if (((struct load *)loop->load)->kind != CBL_PEER_NATS) return 0;
  char text[MAXIMUM_HEAD];
  int bytes = snprintf(text, sizeof text,
                       "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n"
                       "SUB _INBOX.bench%u.* 1\r\n",
                       connection->index);
  return cbl_write(connection->descriptor, (uint8_t *)text, (size_t)bytes, loop->result->error);
}

int cbl_peer_load(enum cbl_peer_kind kind, const struct cbl_load_options *options,
                  uint32_t payload_bytes, struct cbl_load_result *result) {
  static const struct cbl_work work = {.greet = greet, .send = send_puts, .receive = receive};
  struct load load = {.kind = kind};
  struct cbl_loop loop = {.work = &work, .options = options, .result = result, .load = &load};
  result->error[0] = 0;
  load.payload_bytes = payload_bytes > MAXIMUM_PAYLOAD ? MAXIMUM_PAYLOAD : payload_bytes;
  memset(load.payload, 'a', sizeof load.payload);
  load.output = malloc((load.payload_bytes + MAXIMUM_HEAD) * (size_t)options->in_flight);
  load.answered = calloc(options->connections, sizeof *load.answered);
  int failed = load.output == NULL || load.answered == NULL
                   ? cbl_fail(result->error, "out of memory") : cbl_loop_all(&loop);
  free(load.output);
  free(load.answered);
  return failed;
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

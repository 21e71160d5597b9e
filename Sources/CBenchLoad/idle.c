#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "native.h"

struct cbl_idle {
  uint32_t count;
  int descriptors[];
};

static int send_poll(int descriptor, uint32_t agent, char *error) {
  uint8_t frame[128], *end = frame + HEADER;
  char name[32];
  snprintf(name, sizeof name, "idle-%u", agent);
  end = cbl_put_text(end, 1, name);
  *end++ = 4 << 3;
  *end++ = 0xe0;  // wait_ms = 60,000
  *end++ = 0xd4;
  *end++ = 0x03;
  cbl_put_header(frame, KIND_CALL, METHOD_POLL, 1, (size_t)(end - frame) - HEADER);
  return cbl_write(descriptor, frame, (size_t)(end - frame), error);
}

struct cbl_idle *cbl_idle_open(const struct cbl_load_options *options, char *error) {
  cbl_raise_descriptor_limit();
  error[0] = 0;
  struct cbl_idle *idle = calloc(1, sizeof *idle + options->connections * sizeof(int));
  if (idle == NULL) {
    cbl_fail(error, "out of memory");
    return NULL;
  }
  for (uint32_t i = 0; i < options->connections; i++) {
    int descriptor = cbl_open(options, error);
    if (descriptor >= 0) idle->descriptors[idle->count++] = descriptor;
    if (descriptor < 0 || cbl_hello(descriptor, options->token, error) != 0 ||
        send_poll(descriptor, i, error) != 0) {
      cbl_idle_close(idle);
      return NULL;
    }
  }
  return idle;
}

uint32_t cbl_idle_answered(struct cbl_idle *idle) {
  uint32_t answered = 0;
  for (uint32_t i = 0; i < idle->count; i++) {
    uint8_t bytes[4096];
    ssize_t have = recv(idle->descriptors[i], bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    int done = have == 0;
    for (ssize_t at = 0; at + HEADER <= have;) {
      uint32_t length;
      memcpy(&length, bytes + at, 4);
      done |= bytes[at + 4] == KIND_REPLY || bytes[at + 4] == KIND_GOAWAY;
      at += 4 + (ssize_t)ntohl(length);
    }
    answered += done ? 1 : 0;
  }
  return answered;
}

// Reads frames until the one that answers `call`; returns 0 or -1.
static int await_reply(int descriptor, uint32_t call) {
  uint8_t bytes[4096];
  for (;;) {
    uint32_t length, id;
    if (recv(descriptor, bytes, HEADER, MSG_WAITALL) != HEADER) return -1;
    memcpy(&length, bytes, 4);
    memcpy(&id, bytes + 8, 4);
    size_t rest = ntohl(length) - 12u;
    uint8_t kind = bytes[4];
    if (rest > sizeof bytes) return -1;
    if (rest > 0 && recv(descriptor, bytes, rest, MSG_WAITALL) != (ssize_t)rest) return -1;
    if (kind == KIND_REPLY || kind == KIND_GOAWAY) return ntohl(id) == call ? 0 : -1;
  }
}

int cbl_idle_heartbeat(struct cbl_idle *idle, uint32_t agent, uint32_t call) {
  uint8_t frame[128], *end = frame + HEADER;
  char name[32], error[CBL_ERROR_ROOM] = "";
  if (agent >= idle->count || call < 2) return -1;
  snprintf(name, sizeof name, "idle-%u", agent);
  end = cbl_put_text(cbl_put_text(end, 1, name), 2, "instance-1");
  *end++ = 3 << 3;
  *end++ = 0xb0;  // 30,000 ms
  *end++ = 0xea;
  *end++ = 0x01;
  cbl_put_header(frame, KIND_CALL, METHOD_HEARTBEAT, call, (size_t)(end - frame) - HEADER);
  int descriptor = idle->descriptors[agent];
  if (cbl_write(descriptor, frame, (size_t)(end - frame), error) != 0) return -1;
  return await_reply(descriptor, call);
}

void cbl_idle_close(struct cbl_idle *idle) {
  for (uint32_t i = 0; i < idle->count; i++) close(idle->descriptors[i]);
  free(idle);
}

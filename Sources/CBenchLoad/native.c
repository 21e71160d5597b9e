#define _GNU_SOURCE
#include "native.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

uint64_t cbl_now_ns(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int cbl_fail(char *error, const char *what) {
  if (error[0] == 0) snprintf(error, CBL_ERROR_ROOM, "%s", what);
  return -1;
}

int cbl_fail_errno(char *error, const char *call) {
  char text[128];
  snprintf(text, sizeof text, "%s: %s", call, strerror(errno));
  return cbl_fail(error, text);
}

void cbl_put_header(uint8_t *at, uint8_t kind, uint16_t number, uint32_t call, size_t payload) {
  uint32_t length = htonl((uint32_t)(12 + payload)), id = htonl(call);
  uint16_t big_number = htons(number);
  memset(at, 0, HEADER);
  memcpy(at, &length, 4);
  at[4] = kind;
  memcpy(at + 6, &big_number, 2);
  memcpy(at + 8, &id, 4);
}

uint8_t *cbl_put_bytes(uint8_t *at, int field, const void *bytes, size_t count) {
  *at++ = (uint8_t)(field << 3 | 2);
  if (count >= 128) *at++ = (uint8_t)((count & 127) | 128);
  *at++ = (uint8_t)(count >= 128 ? count >> 7 : count);
  memcpy(at, bytes, count);
  return at + count;
}

uint8_t *cbl_put_text(uint8_t *at, int field, const char *text) {
  return cbl_put_bytes(at, field, text, strlen(text));
}

int cbl_write(int descriptor, const uint8_t *bytes, size_t count, char *error) {
  while (count > 0) {
    ssize_t written = send(descriptor, bytes, count, MSG_NOSIGNAL);
    if (written < 0 && errno == EAGAIN) {
      struct pollfd wait = {.fd = descriptor, .events = POLLOUT};
      if (poll(&wait, 1, 10000) != 1) return cbl_fail(error, "the server takes no bytes for 10 s");
      continue;
    }
    if (written <= 0) return cbl_fail_errno(error, "send");
    bytes += written;
    count -= (size_t)written;
  }
  return 0;
}

static int connected(int descriptor, int outcome, char *error) {
  if (outcome == 0) return descriptor;
  cbl_fail_errno(error, "connect");
  close(descriptor);
  return -1;
}

int cbl_open(const struct cbl_load_options *options, char *error) {
  int one = 1;
  if (options->unix_path != NULL) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", options->unix_path);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int outcome = connect(descriptor, (struct sockaddr *)&address, sizeof address);
    return connected(descriptor, outcome, error);
  }
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  int failure = getaddrinfo(options->host, options->port, &hints, &found);
  if (failure != 0) return cbl_fail(error, gai_strerror(failure));
  int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int outcome = connect(descriptor, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return connected(descriptor, outcome, error);
}

int cbl_hello(int descriptor, const char *token, char *error) {
  uint8_t hello[1024], *end = hello + 8 + HEADER;
  if (strlen(token) > 512) return cbl_fail(error, "the token is longer than 512 bytes");
  memcpy(hello, "IMRPC/1\n", 8);
  *end++ = 1 << 3;
  *end++ = 1;
  *end++ = 2 << 3;
  *end++ = 1;
  end = cbl_put_text(cbl_put_text(end, 3, token), 4, "integration-bench");
  cbl_put_header(hello + 8, KIND_HELLO, 0, 0, (size_t)(end - hello) - 8 - HEADER);
  return cbl_write(descriptor, hello, (size_t)(end - hello), error);
}

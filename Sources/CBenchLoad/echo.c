#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CBenchLoad.h"

struct cbl_echo {
  pthread_t thread;
  int listener;
  int epoll;
  int stop;
};

static void watch(int epoll, int descriptor) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
  epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static int write_all(int descriptor, const char *bytes, size_t count) {
  while (count > 0) {
    ssize_t written = send(descriptor, bytes, count, MSG_NOSIGNAL);
    if (written < 0 && errno == EAGAIN) {
      struct pollfd wait = {.fd = descriptor, .events = POLLOUT};
      if (poll(&wait, 1, 1000) != 1) return -1;
      continue;
    }
    if (written <= 0) return -1;
    bytes += written;
    count -= (size_t)written;
  }
  return 0;
}

static void accept_one(struct cbl_echo *echo) {
  int one = 1;
  int descriptor = accept4(echo->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor < 0) return;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  watch(echo->epoll, descriptor);
}

static void *serve(void *context) {
  struct cbl_echo *echo = context;
  struct epoll_event events[256];
  size_t room = 256 * 1024;
  char *buffer = malloc(room);
  for (;;) {
    int ready = epoll_wait(echo->epoll, events, 256, -1);
    for (int i = 0; i < ready; i++) {
      int descriptor = events[i].data.fd;
      if (descriptor == echo->stop) {
        free(buffer);
        return NULL;
      }
      if (descriptor == echo->listener) {
        accept_one(echo);
        continue;
      }
      ssize_t count = read(descriptor, buffer, room);
      // Walks the frames as any server must, though nothing is done with them.
      for (ssize_t at = 0; at + 4 <= count;) {
        uint32_t length;
        memcpy(&length, buffer + at, 4);
        at += 4 + (ssize_t)ntohl(length);
      }
      if (count <= 0 || write_all(descriptor, buffer, (size_t)count) != 0) close(descriptor);
    }
  }
}

struct cbl_echo *cbl_echo_start(uint16_t *port) {
  struct cbl_echo *echo = calloc(1, sizeof *echo);
  if (echo == NULL) return NULL;
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  echo->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  echo->epoll = epoll_create1(EPOLL_CLOEXEC);
  echo->stop = eventfd(0, EFD_CLOEXEC);
  if (echo->listener < 0 || echo->epoll < 0 || echo->stop < 0 ||
      bind(echo->listener, (struct sockaddr *)&address, size) != 0 ||
      listen(echo->listener, 1024) != 0 ||
      getsockname(echo->listener, (struct sockaddr *)&address, &size) != 0) {
    return NULL;
  }
  watch(echo->epoll, echo->listener);
  watch(echo->epoll, echo->stop);
  *port = ntohs(address.sin_port);
  int failure = pthread_create(&echo->thread, NULL, serve, echo);
  if (failure != 0) {
    errno = failure;
    return NULL;
  }
  return echo;
}

void cbl_echo_stop(struct cbl_echo *echo) {
  uint64_t one = 1;
  if (write(echo->stop, &one, sizeof one) == sizeof one) pthread_join(echo->thread, NULL);
  close(echo->listener);
  close(echo->epoll);
  close(echo->stop);
  free(echo);
}

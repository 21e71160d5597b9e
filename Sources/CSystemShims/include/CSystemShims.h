// System calls and constants that Glibc's Swift module hides.
#ifndef C_SYSTEM_SHIMS_H
#define C_SYSTEM_SHIMS_H

// No _GNU_SOURCE here: it would change the system's types against those of Glibc's module.
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

// epoll_event is packed and holds a union, which Swift reads as bytes: these two name its number.
static inline void shim_epoll_set(struct epoll_event *event, uint32_t events, uint64_t number) {
  event->events = events;
  event->data.u64 = number;
}
static inline uint64_t shim_epoll_number(const struct epoll_event *event) {
  return event->data.u64;
}

// The reactor whose turn runs on this thread, or NULL. Swift has no thread-local storage of its
// own, and asking Dispatch for the queue costs ten times as much.
void *shim_current_reactor(void);
void shim_set_current_reactor(void *reactor);

// struct ucred needs _GNU_SOURCE, which Glibc's module does not set. 0, or -1 with errno.
int shim_peer_credentials(int descriptor, uint32_t *user, int32_t *process);

// malloc.h is not in Glibc's module. See decision 10 of RPCTransport; nothing with another C
// library.
void shim_configure_malloc(int arenas, int map_bytes, int trim_bytes);

// Gives whole pages that are free in any arena back to the system.
void shim_trim_malloc(void);

// Bytes that malloc has given out and that were not given back; 0 where only glibc could tell.
unsigned long shim_allocated_bytes(void);

// accept4 needs _GNU_SOURCE. A non-blocking descriptor that is closed on exec, or -1 with errno.
int shim_accept(int descriptor);

#endif

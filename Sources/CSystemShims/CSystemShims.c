#define _GNU_SOURCE
#include "CSystemShims.h"

#include <malloc.h>

static _Thread_local void *current_reactor;

void *shim_current_reactor(void) { return current_reactor; }

void shim_set_current_reactor(void *reactor) { current_reactor = reactor; }

int shim_peer_credentials(int descriptor, uint32_t *user, int32_t *process) {
  struct ucred credentials;
  socklen_t length = sizeof credentials;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
  *user = credentials.uid;
  *process = credentials.pid;
  return 0;
}

int shim_accept(int descriptor) {
  return accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

void shim_configure_malloc(int arenas, int map_bytes, int trim_bytes) {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, arenas);
  mallopt(M_MMAP_THRESHOLD, map_bytes);
  mallopt(M_TRIM_THRESHOLD, trim_bytes);
#endif
}

void shim_trim_malloc(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

unsigned long shim_allocated_bytes(void) {
#ifdef __GLIBC__
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
#else
  return 0;
#endif
}

// Tells the thread sanitizer what the slow path of Swift's Mutex does; preloaded into programs.
//
// Synchronization.Mutex takes a free lock with an atomic operation that is compiled into our code,
// where the sanitizer sees it. A contended one goes through these functions of
// libswiftSynchronization, which is built without the sanitizer and lets the kernel hand the lock
// over (FUTEX_LOCK_PI): without a word about that, everything done under a contended lock looks
// like a race. Nothing is suppressed: what is touched outside of its lock is still found.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

// Of the sanitizer's runtime; missing in a program that is not checked.
extern void __tsan_acquire(void *address) __attribute__((weak));
extern void __tsan_release(void *address) __attribute__((weak));

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self

SWIFT void lock_slow(uint32_t thread, SELF) __asm__(LOCK);
SWIFT _Bool try_lock_slow(SELF) __asm__(TRY_LOCK);
SWIFT void unlock_slow(SELF) __asm__(UNLOCK);

static SWIFT void (*next_lock)(uint32_t thread, SELF);
static SWIFT _Bool (*next_try_lock)(SELF);
static SWIFT void (*next_unlock)(SELF);

__attribute__((constructor)) static void find_next(void) {
  next_lock = dlsym(RTLD_NEXT, LOCK);
  next_try_lock = dlsym(RTLD_NEXT, TRY_LOCK);
  next_unlock = dlsym(RTLD_NEXT, UNLOCK);
}

SWIFT void lock_slow(uint32_t thread, SELF) {
  next_lock(thread, self);
  if (__tsan_acquire) __tsan_acquire(self);
}

SWIFT _Bool try_lock_slow(SELF) {
  _Bool is_locked = next_try_lock(self);
  if (is_locked && __tsan_acquire) __tsan_acquire(self);
  return is_locked;
}

SWIFT void unlock_slow(SELF) {
  if (__tsan_release) __tsan_release(self);
  next_unlock(self);
}

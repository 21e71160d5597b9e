// libfaketime shifts the absolute times of every timerfd by what it does to the wall clock, also of
// those on the monotonic clock, which is to be left alone: these go to the kernel as they are.
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old) {
  return (int)syscall(SYS_timerfd_settime, fd, flags, new, old);
}

int timerfd_gettime(int fd, struct itimerspec *now) {
  return (int)syscall(SYS_timerfd_gettime, fd, now);
}

// The calls that disk.c stands between: those that the server makes on its files (strace shows
// which), and those that it does not make, which end it.

static int opened(const char *path, int flags, mode_t mode) {
  pthread_mutex_lock(&lock);
  event();
  if (fails(OPEN, path)) {
    pthread_mutex_unlock(&lock);
    return -1;
  }
  struct node *node = known(path);
  int is_new = node == NULL;
  if (node && (flags & O_ACCMODE) != O_RDONLY) load(node, path);
  int file = REAL(open)(path, flags, mode);
  int said = errno;
  if (file >= 0 && file < DESCRIPTORS) {
    if (is_new) node = made(path, 0);
    else if (flags & O_TRUNC && !node->is_shared) note_change(node, 1, 0, 0);
    descriptors[file] = node;
    free(paths[file]);
    paths[file] = strdup(path);
    if (flags & (O_APPEND | O_DIRECT | O_SYNC | O_DSYNC)) fail("open with these flags", path);
  }
  pthread_mutex_unlock(&lock);
  errno = said;
  return file;
}

#define OPENING(name)                                                        \
  int name(const char *path, int flags, ...) {                               \
    va_list rest;                                                            \
    va_start(rest, flags);                                                   \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                            \
    if (is_ours(path)) return opened(path, flags, mode);                     \
    return REAL(open)(path, flags, mode);                                    \
  }
OPENING(open)
OPENING(open64)

#define OPENING_AT(name)                                                     \
  int name(int directory, const char *path, int flags, ...) {                \
    va_list rest;                                                            \
    va_start(rest, flags);                                                   \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                            \
    if (is_ours(path)) return opened(path, flags, mode);                     \
    if (path && *path != '/' && on(directory)) fail(#name, path);            \
    return REAL(openat)(directory, path, flags, mode);                       \
  }
OPENING_AT(openat)
OPENING_AT(openat64)

int close(int file) {
  if (on(file) == NULL) return REAL(close)(file);
  pthread_mutex_lock(&lock);
  descriptors[file] = NULL;
  int result = REAL(close)(file);
  pthread_mutex_unlock(&lock);
  return result;
}

// A write at an offset, or behind the last one where that is -1.
static ssize_t written(int file, const void *data, size_t bytes, off_t offset) {
  pthread_mutex_lock(&lock);
  struct node *node = on(file);
  event();
  if (fails(WRITE, paths[file])) {
    if (errno != 0 || bytes < 2) {
      if (errno == 0) errno = EIO;
      pthread_mutex_unlock(&lock);
      return -1;
    }
    bytes /= 2;
  }
  off_t at = offset >= 0 ? offset : lseek(file, 0, SEEK_CUR);
  ssize_t count = offset >= 0 ? REAL(pwrite)(file, data, bytes, offset)
    : REAL(write)(file, data, bytes);
  int said = errno;
  if (count > 0) note_write(node, (size_t)at, (size_t)count, data);
  pthread_mutex_unlock(&lock);
  errno = said;
  return count;
}

ssize_t write(int file, const void *data, size_t bytes) {
  return on(file) ? written(file, data, bytes, -1) : REAL(write)(file, data, bytes);
}
ssize_t pwrite(int file, const void *data, size_t bytes, off_t offset) {
  return on(file) ? written(file, data, bytes, offset) : REAL(pwrite)(file, data, bytes, offset);
}
ssize_t pwrite64(int file, const void *data, size_t bytes, off_t offset) {
  return on(file) ? written(file, data, bytes, offset) : REAL(pwrite)(file, data, bytes, offset);
}

static int truncated(int file, off_t bytes) {
  pthread_mutex_lock(&lock);
  struct node *node = on(file);
  event();
  int result = -1;
  if (!fails(TRUNCATE, paths[file])) {
    result = REAL(ftruncate)(file, bytes);
    if (result == 0 && !node->is_shared && !control->honest)
      note_change(node, 1, (size_t)bytes, 0);
  }
  int said = errno;
  pthread_mutex_unlock(&lock);
  errno = said;
  return result;
}
int ftruncate(int file, off_t bytes) {
  return on(file) ? truncated(file, bytes) : REAL(ftruncate)(file, bytes);
}
int ftruncate64(int file, off_t bytes) {
  return on(file) ? truncated(file, bytes) : REAL(ftruncate)(file, bytes);
}

// What was written before the call began is durable when it returns; what comes meanwhile is not.
static int synced(int file, int is_whole) {
  pthread_mutex_lock(&lock);
  struct node *node = on(file);
  event();
  if (fails(SYNC, paths[file])) {
    // The cache calls these pages clean from now on, and nobody writes them again.
    for (size_t i = 0; i < node->count; i++) node->changes[i].is_lost = 1;
    int said = errno;
    pthread_mutex_unlock(&lock);
    errno = said;
    return -1;
  }
  uint64_t last = node->next;
  struct timespec rest = {
    (time_t)(control->sync_ns / 1000000000), (long)(control->sync_ns % 1000000000)};
  pthread_mutex_unlock(&lock);
  if (control->sync_ns) nanosleep(&rest, NULL);
  if (control->honest) return is_whole ? REAL(fsync)(file) : REAL(fdatasync)(file);
  pthread_mutex_lock(&lock);
  event();
  if (node->is_directory) sync_names(paths[file]);
  else sync_bytes(node, last);
  event();
  pthread_mutex_unlock(&lock);
  return 0;
}
int fsync(int file) { return on(file) ? synced(file, 1) : REAL(fsync)(file); }
int fdatasync(int file) { return on(file) ? synced(file, 0) : REAL(fdatasync)(file); }

// ---- Names ----

// Before a name goes what it stands for is kept: the disk may still have it.
static struct node *keep(const char *path) {
  struct node *node = known(path);
  if (node) load(node, path);
  return node;
}

// Counts a change of names, and says whether it fails.
static int name_fails(const char *path) {
  event();
  return fails(NAME, path);
}

int unlink(const char *path) {
  if (!is_ours(path)) return REAL(unlink)(path);
  pthread_mutex_lock(&lock);
  int result = -1;
  if (!name_fails(path)) {
    struct node *node = keep(path);
    result = REAL(unlink)(path);
    if (result == 0 && node) note_naming(path, NULL, NULL);
  }
  int said = errno;
  pthread_mutex_unlock(&lock);
  errno = said;
  return result;
}

int rename(const char *from, const char *to) {
  if (!is_ours(from) && !is_ours(to)) return REAL(rename)(from, to);
  pthread_mutex_lock(&lock);
  int result = -1;
  if (!name_fails(from)) {
    struct node *node = keep(from);
    keep(to);
    result = REAL(rename)(from, to);
    if (result == 0 && node) note_naming(from, to, node);
  }
  int said = errno;
  pthread_mutex_unlock(&lock);
  errno = said;
  return result;
}

int link(const char *from, const char *to) {
  if (!is_ours(from) && !is_ours(to)) return REAL(link)(from, to);
  pthread_mutex_lock(&lock);
  int result = -1;
  if (!name_fails(to)) {
    struct node *node = keep(from);
    result = REAL(link)(from, to);
    if (result == 0 && node) note_naming(NULL, to, node);
  }
  int said = errno;
  pthread_mutex_unlock(&lock);
  errno = said;
  return result;
}

int mkdir(const char *path, mode_t mode) {
  if (!is_ours(path)) return REAL(mkdir)(path, mode);
  pthread_mutex_lock(&lock);
  int result = -1;
  if (!name_fails(path)) {
    known(path);
    result = REAL(mkdir)(path, mode);
    if (result == 0) made(path, 1);
  }
  int said = errno;
  pthread_mutex_unlock(&lock);
  errno = said;
  return result;
}

// ---- Memory and the end ----

#define MAPPING(name)                                                                      \
  void *name(void *at, size_t bytes, int access, int flags, int file, off_t offset) {      \
    struct node *node = flags & MAP_ANONYMOUS ? NULL : on(file);                           \
    if (node && !node->is_shared && flags & MAP_SHARED && access & PROT_WRITE)             \
      fail(#name, paths[file]);                                                            \
    return REAL(mmap)(at, bytes, access, flags, file, offset);                             \
  }
MAPPING(mmap)
MAPPING(mmap64)

// The next process finds the disk as this one leaves it, also where nobody killed it. A fault of
// another kind than a sync is over with the process that met it.
static void end(void) {
  if (control == NULL || control->honest) return;
  if (control->fault_kind != NO_KIND && control->fault_kind != SYNC) return;
  pthread_mutex_lock(&lock);
  leave();
  pthread_mutex_unlock(&lock);
}
__attribute__((noreturn)) void _exit(int code) {
  end();
  _Exit(code);
}
__attribute__((destructor)) static void at_exit(void) { end(); }

// ---- What the server does not call ----

#define UNUSED_ON_FILE(type, name, ...)                                      \
  type name(int file, __VA_ARGS__) {                                         \
    if (on(file)) fail(#name, paths[file]);                                  \
    errno = ENOSYS;                                                          \
    return -1;                                                               \
  }
UNUSED_ON_FILE(int, fallocate, int mode, off_t offset, off_t bytes)
UNUSED_ON_FILE(int, fallocate64, int mode, off_t offset, off_t bytes)
UNUSED_ON_FILE(int, posix_fallocate, off_t offset, off_t bytes)
UNUSED_ON_FILE(int, posix_fallocate64, off_t offset, off_t bytes)
UNUSED_ON_FILE(int, sync_file_range, off_t offset, off_t bytes, unsigned flags)
UNUSED_ON_FILE(ssize_t, pwritev, const void *parts, int count, off_t offset)
UNUSED_ON_FILE(ssize_t, pwritev64, const void *parts, int count, off_t offset)
UNUSED_ON_FILE(
  ssize_t, copy_file_range, off64_t *at, int to, off64_t *there, size_t bytes, unsigned flags)

#define UNUSED_ON_PATHS(name)                                                \
  int name(const char *from, const char *to) {                               \
    if (is_ours(from) || is_ours(to)) fail(#name, to);                       \
    errno = ENOSYS;                                                          \
    return -1;                                                               \
  }
UNUSED_ON_PATHS(symlink)

int truncate(const char *path, off_t bytes) {
  if (is_ours(path)) fail("truncate", path);
  return REAL(truncate)(path, bytes);
}
int creat(const char *path, mode_t mode) {
  return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
int rmdir(const char *path) {
  if (is_ours(path)) fail("rmdir", path);
  return REAL(rmdir)(path);
}
int dup2(int from, int to) {
  if (on(from) || on(to)) fail("dup2", NULL);
  return REAL(dup2)(from, to);
}
int dup(int from) {
  if (on(from)) fail("dup", paths[from]);
  return REAL(dup)(from);
}
FILE *fopen(const char *path, const char *mode) {
  if (is_ours(path) && strpbrk(mode, "wa+")) fail("fopen", path);
  return REAL(fopen)(path, mode);
}

struct iovec;
ssize_t writev(int file, const struct iovec *parts, int count) {
  if (on(file)) fail("writev", paths[file]);
  return ((ssize_t (*)(int, const struct iovec *, int))real("writev"))(file, parts, count);
}

__attribute__((constructor)) static void begin(void) {
  const char *block = getenv("DISK_CONTROL"), *folder = getenv("DISK_ROOT");
  if (block == NULL || folder == NULL) return;
  int file = REAL(open)(block, O_RDWR | O_CLOEXEC);
  struct control *found = file < 0 ? MAP_FAILED
    : REAL(mmap)(NULL, sizeof *found, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (found == MAP_FAILED) fail("the control block", block);
  REAL(close)(file);
  snprintf(root, sizeof root, "%s", folder);
  root_bytes = strlen(root);
  random_state = found->seed;
  control = found;
  if (!control->honest) take_over();
}

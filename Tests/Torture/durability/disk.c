// A disk that forgets what was not synced, and that fails when told to: preloaded into a program,
// it stands between the program and the files below DISK_ROOT.
//
// The files themselves hold what the program sees, as the page cache does. Beside them, in memory,
// stands what the disk holds for certain: the bytes of each file at its last sync and the names at
// the last sync of their directory, with the list of changes since. At the event that the control
// block names the power goes: of these changes some are kept, some dropped and some torn at 512
// bytes, by the seed; the files become what that leaves; and the process is killed. No sync reaches
// the real disk. When the process ends and the power stays, all of that goes on in the next one.
//
// A call on these files that is not modelled ends the process with a line, so that nothing slips
// by.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum kind { NO_KIND, WRITE, SYNC, TRUNCATE, OPEN, NAME, KINDS };

// Shared with the harness, which maps the same file: every field has 8 bytes.
struct control {
  // Set by the harness, at any time.
  uint64_t cut_at;        // the event at which the power goes; 0: never
  uint64_t kill_at;       // the event at which the process is killed and the disk goes on
  uint64_t seed;
  uint64_t sync_ns;       // how long each sync takes
  uint64_t fault_kind;    // which kind of call fails
  uint64_t fault_at;      // the n-th of its kind
  uint64_t fault_errno;   // with this; 0: a write is short
  uint64_t fault_from;    // 1: all calls from the n-th on
  uint64_t honest;        // 1: syncs reach the real disk, nothing is kept in memory
  // Set here.
  uint64_t events;
  uint64_t calls[KINDS];
  uint64_t faults;        // calls that were made to fail
  uint64_t was_cut, was_killed;
  uint64_t kept, dropped, torn, kept_names, dropped_names;
  char fault_path[256];
};

struct change {
  uint64_t number;
  int is_lost;            // its sync failed: the cache has it, and no later sync writes it
  int is_size;            // the file's size becomes `offset`
  size_t offset, bytes;
  unsigned char *data;
};

struct node {
  int is_directory, is_shared, is_loaded;
  size_t bytes, room;     // what is durable
  unsigned char *data;
  struct change *changes;
  size_t count, changes_room;
  uint64_t next;
};

struct name { char *path; struct node *node; };
struct names { struct name *list; size_t count, room; };
// A change of names that the directory's sync makes durable; node null: the name is gone.
struct naming { char *path, *gone; struct node *node; };

static struct control *control;
static char root[4096];
static size_t root_bytes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct names seen, durable;
static struct naming *namings;
static size_t naming_count, naming_room;
#define DESCRIPTORS 65536
static struct node *descriptors[DESCRIPTORS];
static char *paths[DESCRIPTORS];
static uint64_t random_state;

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found == NULL) abort();
  return found;
}

static void fail(const char *call, const char *path) {
  fprintf(stderr, "disk: %s of %s is not modelled\n", call, path ? path : "a file of the data");
  _Exit(99);
}

static uint64_t next_random(void) {
  random_state += 0x9e3779b97f4a7c15u;
  uint64_t z = random_state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static int is_ours(const char *path) {
  return control != NULL && path != NULL && strncmp(path, root, root_bytes) == 0
    && (path[root_bytes] == '/' || path[root_bytes] == 0);
}

static struct node *on(int file) {
  return control != NULL && file >= 0 && file < DESCRIPTORS ? descriptors[file] : NULL;
}

static void *grown(void *list, size_t count, size_t *room, size_t size) {
  if (count < *room) return list;
  *room = *room ? *room * 2 : 16;
  list = realloc(list, *room * size);
  if (list == NULL) abort();
  return list;
}

// ---- Names ----

static struct node *find(struct names *names, const char *path) {
  for (size_t i = 0; i < names->count; i++)
    if (strcmp(names->list[i].path, path) == 0) return names->list[i].node;
  return NULL;
}

static void bind_name(struct names *names, const char *path, struct node *node) {
  for (size_t i = 0; i < names->count; i++)
    if (strcmp(names->list[i].path, path) == 0) {
      names->list[i].node = node;
      return;
    }
  names->list = grown(names->list, names->count, &names->room, sizeof(struct name));
  names->list[names->count++] = (struct name){strdup(path), node};
}

static void unbind(struct names *names, const char *path) {
  for (size_t i = 0; i < names->count; i++)
    if (strcmp(names->list[i].path, path) == 0) {
      names->list[i] = names->list[--names->count];
      return;
    }
}

static void apply(struct names *names, struct naming *naming) {
  if (naming->gone) unbind(names, naming->gone);
  if (naming->node) bind_name(names, naming->path, naming->node);
}

static void note_naming(const char *gone, const char *path, struct node *node) {
  namings = grown(namings, naming_count, &naming_room, sizeof(struct naming));
  struct naming made = {
    path ? strdup(path) : NULL, gone ? strdup(gone) : NULL, node};
  namings[naming_count++] = made;
  apply(&seen, &made);
}

static int is_in(const char *directory, const char *path) {
  size_t bytes = strlen(directory);
  return path && strncmp(path, directory, bytes) == 0 && path[bytes] == '/'
    && strchr(path + bytes + 1, '/') == NULL;
}

static void sync_names(const char *directory) {
  size_t left = 0;
  for (size_t i = 0; i < naming_count; i++) {
    if (is_in(directory, namings[i].path ? namings[i].path : namings[i].gone))
      apply(&durable, &namings[i]);
    else
      namings[left++] = namings[i];
  }
  naming_count = left;
}

// ---- Bytes ----

static void resize(struct node *node, size_t bytes) {
  if (bytes > node->room) {
    node->room = bytes + bytes / 2 + 4096;
    node->data = realloc(node->data, node->room);
    if (node->data == NULL) abort();
  }
  if (bytes > node->bytes) memset(node->data + node->bytes, 0, bytes - node->bytes);
  node->bytes = bytes;
}

static struct change *note_change(struct node *node, int is_size, size_t offset, size_t bytes) {
  node->changes = grown(node->changes, node->count, &node->changes_room, sizeof(struct change));
  struct change *change = &node->changes[node->count++];
  *change = (struct change){++node->next, 0, is_size, offset, bytes, NULL};
  return change;
}

static void note_write(struct node *node, size_t offset, size_t bytes, const void *data) {
  if (control->honest || node->is_shared) return;
  struct change *change = note_change(node, 0, offset, bytes);
  change->data = malloc(bytes ? bytes : 1);
  if (change->data == NULL) abort();
  memcpy(change->data, data, bytes);
}

static void put(struct node *node, struct change *change) {
  if (change->is_size) return resize(node, change->offset);
  if (change->offset + change->bytes > node->bytes) resize(node, change->offset + change->bytes);
  memcpy(node->data + change->offset, change->data, change->bytes);
}

// What a later write has made durable no earlier one that is lost can bring back.
static void supersede(struct change *lost, struct change *by) {
  size_t from = lost->offset > by->offset ? lost->offset : by->offset;
  size_t lost_end = lost->offset + lost->bytes, end = by->offset + by->bytes;
  if (end > lost_end) end = lost_end;
  if (lost->is_size || by->is_size || end <= from) return;
  memcpy(lost->data + (from - lost->offset), by->data + (from - by->offset), end - from);
}

static void sync_bytes(struct node *node, uint64_t last) {
  size_t left = 0;
  for (size_t i = 0; i < node->count; i++) {
    struct change *change = &node->changes[i];
    if (change->number <= last && (!change->is_lost || change->is_size)) {
      for (size_t k = 0; k < left; k++) supersede(&node->changes[k], change);
      put(node, change);
      free(change->data);
    } else {
      node->changes[left++] = *change;
    }
  }
  node->count = left;
}

static void read_whole(struct node *node, const char *path) {
  int file = REAL(open)(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  struct stat about;
  if (fstat(file, &about) == 0) {
    resize(node, (size_t)about.st_size);
    size_t done = 0;
    while (done < node->bytes) {
      ssize_t count = pread(file, node->data + done, node->bytes - done, (off_t)done);
      if (count <= 0) break;
      done += (size_t)count;
    }
  }
  REAL(close)(file);
}

static void load(struct node *node, const char *path) {
  if (node->is_loaded || node->is_directory || node->is_shared || control->honest) return;
  node->is_loaded = 1;
  read_whole(node, path);
}

static struct node *known(const char *path) {
  struct node *node = find(&seen, path);
  struct stat about;
  if (node != NULL || lstat(path, &about) != 0) return node;
  if (!S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode)) return NULL;
  node = calloc(1, sizeof *node);
  node->is_directory = S_ISDIR(about.st_mode);
  size_t bytes = strlen(path);
  node->is_shared = bytes > 4 && strcmp(path + bytes - 4, "-shm") == 0;
  bind_name(&seen, path, node);
  bind_name(&durable, path, node);
  return node;
}

static struct node *made(const char *path, int is_directory) {
  struct node *node = calloc(1, sizeof *node);
  size_t bytes = strlen(path);
  node->is_loaded = 1;
  node->is_directory = is_directory;
  node->is_shared = bytes > 4 && strcmp(path + bytes - 4, "-shm") == 0;
  note_naming(NULL, path, node);
  return node;
}

// ---- The cut ----

enum way { BY_COIN, NOTHING, ALL_BUT_ONE, EVERYTHING, UP_TO, FROM, BY_SECTOR, WAYS };

// Whether change i of n is kept: 1, dropped: 0, torn: 2.
static int fate(enum way way, size_t i, size_t n, size_t chosen) {
  switch (way) {
  case NOTHING: return 0;
  case EVERYTHING: return 1;
  case ALL_BUT_ONE: return i != chosen % n;
  case UP_TO: return i < chosen % (n + 1) ? 1 : i == chosen % (n + 1) ? 2 : 0;
  case FROM: return i > chosen % (n + 1) ? 1 : i == chosen % (n + 1) ? 2 : 0;
  case BY_SECTOR: return 2;
  default: return next_random() % 4 == 0 ? 2 : (int)(next_random() % 2);
  }
}

static void put_torn(struct node *node, struct change *change) {
  control->torn++;
  size_t size = node->bytes;
  for (size_t at = 0; at < change->bytes;) {
    size_t bytes = 512 - (change->offset + at) % 512;
    if (bytes > change->bytes - at) bytes = change->bytes - at;
    if (next_random() % 2) {
      struct change part = {0, 0, 0, change->offset + at, bytes, change->data + at};
      put(node, &part);
    }
    at += bytes;
  }
  // The size may be on disk before the bytes are.
  if (change->offset + change->bytes > size && next_random() % 2)
    if (change->offset + change->bytes > node->bytes) resize(node, change->offset + change->bytes);
}

static void settle(struct node *node, enum way way) {
  size_t chosen = next_random();
  for (size_t i = 0; i < node->count; i++) {
    struct change *change = &node->changes[i];
    int what = change->is_lost && !change->is_size ? (int)(next_random() % 2)
      : fate(way, i, node->count, chosen);
    if (what == 2 && (change->is_size || change->bytes < 2)) what = (int)(next_random() % 2);
    if (what == 2) {
      put_torn(node, change);
    } else if (what == 1) {
      control->kept++;
      put(node, change);
    } else {
      control->dropped++;
    }
  }
  node->count = 0;
}

// Whether the disk has all directories of a path; one that nobody named was there before.
static int has_parents(const char *path) {
  char parent[4096];
  snprintf(parent, sizeof parent, "%s", path);
  while (1) {
    char *slash = strrchr(parent, '/');
    *slash = 0;
    if (strlen(parent) <= root_bytes) return 1;
    if (find(&seen, parent) && !find(&durable, parent)) return 0;
  }
}

static void write_whole(const char *path, const unsigned char *data, size_t bytes) {
  int file = REAL(open)(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  for (size_t done = 0; file >= 0 && done < bytes;) {
    ssize_t count = REAL(write)(file, data + done, bytes - done);
    if (count <= 0) abort();
    done += (size_t)count;
  }
  if (file < 0) abort();
  REAL(close)(file);
}

static void write_image(const char *path, struct node *node) {
  if (node->is_directory) {
    REAL(mkdir)(path, 0700);
  } else if (node->is_shared) {
    // Nobody syncs it: anything may stand there.
    unsigned char noise[32768];
    uint64_t choice = next_random() % 3;
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (unsigned char)next_random();
    if (choice != 0) REAL(unlink)(path);
    if (choice == 2) write_whole(path, noise, sizeof noise);
  } else if (node->is_loaded) {
    // A new file: what other threads read until the process ends stays what it was.
    REAL(unlink)(path);
    write_whole(path, node->data, node->bytes);
  }
}

static void die(void) {
  kill(getpid(), SIGKILL);
  while (1) pause();
}

static int by_length(const void *a, const void *b) {
  size_t left = strlen(((const struct name *)a)->path);
  size_t right = strlen(((const struct name *)b)->path);
  return left < right ? -1 : left > right;
}

// The power goes: makes the files what the disk holds, and ends the process.
static void cut(void) {
  enum way way = next_random() % WAYS, name_way = next_random() % BY_SECTOR;
  size_t chosen = next_random();
  for (size_t i = 0; i < naming_count; i++) {
    if (namings[i].gone) {
      struct node *gone = find(&durable, namings[i].gone);
      if (gone) load(gone, namings[i].gone);
    }
    int what = fate(name_way, i, naming_count, chosen);
    if (what == 2) what = (int)(next_random() % 2);
    if (what) apply(&durable, &namings[i]);
    if (what) control->kept_names++;
    else control->dropped_names++;
  }
  qsort(durable.list, durable.count, sizeof(struct name), by_length);
  qsort(seen.list, seen.count, sizeof(struct name), by_length);
  for (size_t i = 0; i < durable.count; i++) settle(durable.list[i].node, way);
  for (size_t i = seen.count; i-- > 0;) {
    const char *path = seen.list[i].path;
    if (find(&durable, path) && has_parents(path)) continue;
    if (seen.list[i].node->is_directory) REAL(rmdir)(path);
    else REAL(unlink)(path);
  }
  for (size_t i = 0; i < durable.count; i++)
    if (has_parents(durable.list[i].path))
      write_image(durable.list[i].path, durable.list[i].node);
  control->was_cut = 1;
  die();
}

#include "disk_left.h"

static void event(void) {
  uint64_t number = ++control->events;
  if (control->honest) return;
  if (control->cut_at && number >= control->cut_at) cut();
  if (control->kill_at && number >= control->kill_at) {
    leave();
    control->was_killed = 1;
    die();
  }
}

// Whether this call is one that fails; then errno says how, 0 for a short write.
static int fails(enum kind kind, const char *path) {
  uint64_t number = ++control->calls[kind];
  if (control->fault_kind != kind || control->fault_at == 0) return 0;
  if (control->fault_from ? number < control->fault_at : number != control->fault_at) return 0;
  if (control->faults++ == 0 && path) {
    strncpy(control->fault_path, path, sizeof control->fault_path - 1);
    __sync_synchronize();
  }
  errno = (int)control->fault_errno;
  return 1;
}

#include "disk_calls.h"

// The event loop that every load runs on. It opens the connections, asks the load's sender for as
// many calls as have been answered, hands the load's receiver what has come, and keeps times and
// counts. All of it on the calling thread.
#ifndef CBENCHLOAD_LOOP_H
#define CBENCHLOAD_LOOP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "CBenchLoad.h"

// When a call was sent, by its tag: a number that its answer brings back.
struct cbl_slot {
  uint32_t tag;
  uint64_t sent_ns;
};

struct cbl_connection {
  int descriptor;
  uint32_t index;
  uint32_t next_tag;
  uint32_t outstanding;
  struct cbl_slot *slots;
  // The begin of a message whose end has not come yet.
  uint8_t *kept;
  size_t kept_bytes;
};

struct cbl_loop;

// A load is what it sends and what it makes of what comes. Each returns -1 with the error set when
// the load cannot go on.
struct cbl_work {
  // Says what comes before any call. NULL: nothing.
  int (*greet)(struct cbl_loop *loop, struct cbl_connection *connection);
  // Sends `count` calls in one write, each marked with cbl_sent. NULL: the load sends at its own
  // time, and the loop nothing by itself.
  int (*send)(struct cbl_loop *loop, struct cbl_connection *connection, uint32_t count);
  // Takes the whole messages at `bytes`; returns how many bytes they have. A byte 0 follows.
  ssize_t (*receive)(struct cbl_loop *loop, struct cbl_connection *connection, uint8_t *bytes,
                     size_t count);
  // Called before each wait; returns in how many nanoseconds at the latest it wants to be called
  // again. NULL: the loop just waits.
  int64_t (*turn)(struct cbl_loop *loop);
};

struct cbl_loop {
  const struct cbl_work *work;
  const struct cbl_load_options *options;
  struct cbl_load_result *result;
  void *load;                // the load's own
  uint32_t weight;           // what one call counts
  struct cbl_connection *connections;
  uint32_t opened, room;
  uint64_t left;             // calls that may still be sent
  uint32_t slot_mask;
  uint8_t *input;
  int epoll;
  uint64_t start_ns, now_ns, measure_from_ns, measure_to_ns;
};

// Gets a loop ready whose work, options, result and load are set, for the connections of the
// options and `more`.
int cbl_loop_begin(struct cbl_loop *loop, uint32_t more);

// Opens `count` connections to where `target` says and greets on each.
int cbl_loop_open(struct cbl_loop *loop, const struct cbl_load_options *target, uint32_t count);

// Runs the load to its end.
int cbl_loop_run(struct cbl_loop *loop);

// Closes the connections and frees the loop; its own memory the load frees itself.
void cbl_loop_end(struct cbl_loop *loop);

// All four, for a load without connections of other kinds. Returns 0, or -1 with the error set.
int cbl_loop_all(struct cbl_loop *loop);

// A call is on its way since `now_ns`.
void cbl_sent(struct cbl_loop *loop, struct cbl_connection *connection, uint32_t tag);

// Its answer has come, a success.
void cbl_answered(struct cbl_loop *loop, struct cbl_connection *connection, uint32_t tag);

// Its answer has come, a refusal with this code and payload.
void cbl_refused(struct cbl_loop *loop, struct cbl_connection *connection, uint32_t code,
                 const uint8_t *payload, size_t bytes);

// A receiver of native frames: answers PINGs, ends at GOAWAY, and hands on each REPLY with its
// payload's bytes; to the load of an echo every frame is one.
typedef int (*cbl_reply)(struct cbl_loop *loop, struct cbl_connection *connection,
                         const uint8_t *frame, size_t payload_bytes);
ssize_t cbl_take_frames(struct cbl_loop *loop, struct cbl_connection *connection, uint8_t *bytes,
                        size_t count, cbl_reply reply);

// The code and the call of a REPLY.
static inline uint32_t cbl_frame_code(const uint8_t *frame) {
  return (uint32_t)frame[6] << 8 | frame[7];
}
static inline uint32_t cbl_frame_call(const uint8_t *frame) {
  return (uint32_t)frame[8] << 24 | (uint32_t)frame[9] << 16 | (uint32_t)frame[10] << 8 | frame[11];
}

// Random numbers of a load, for ids.
static inline uint64_t cbl_random(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

#endif

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "native.h"
#include "report.h"

enum { ECHO_FRAME = 104, FRAME_ROOM = 512 };
// How long a load at a pace waits for a connection whose calls in flight are spent.
static const int64_t RETRY_NS = 1000000;

// What one connection sends, again and again.
struct template {
  size_t count;
  size_t report_at;
  uint8_t frame[FRAME_ROOM];
};

struct load {
  struct template *templates;  // one for each connection
  struct cbl_report report;
  uint8_t *output;
  uint64_t random;
  uint64_t paced;  // how many calls have been sent at the pace
};

static void make_template(struct load *load, enum cbl_load_kind kind, uint32_t index) {
  struct template *template = load->templates + index;
  uint8_t *end = template->frame + HEADER;
  char agent[32];
  snprintf(agent, sizeof agent, "bench-%u", index);
  switch (kind) {
    case CBL_LOAD_ECHO:
      memset(template->frame, 'a', ECHO_FRAME);
      end = template->frame + ECHO_FRAME;
      break;
    case CBL_LOAD_HEARTBEAT:
      end = cbl_put_text(cbl_put_text(end, 1, agent), 2, "instance-1");
      *end++ = 3 << 3;
      *end++ = 0x90;  // 10,000 ms
      *end++ = 0x4e;
      end = cbl_put_text(end, 4, "1.2.3");
      break;
    case CBL_LOAD_REPORT:
      end = cbl_put_text(end, 1, agent);
      end = cbl_put_bytes(end, 2, load->report.bytes, load->report.count);
      template->report_at = (size_t)(end - template->frame) - load->report.count;
      break;
  }
  template->count = (size_t)(end - template->frame);
}

static int greet(struct cbl_loop *loop, struct cbl_connection *connection) {
  struct load *load = loop->load;
  make_template(load, loop->options->kind, connection->index);
  if (loop->options->kind == CBL_LOAD_ECHO) return 0;
  return cbl_hello(connection->descriptor, loop->options->token, loop->result->error);
}

static int send_calls(struct cbl_loop *loop, struct cbl_connection *connection, uint32_t count) {
  struct load *load = loop->load;
  struct template *template = load->templates + connection->index;
  int is_report = loop->options->kind == CBL_LOAD_REPORT;
  uint64_t wall_ms = is_report ? cbl_now_ns(CLOCK_REALTIME) / 1000000 : 0;
  uint16_t method = is_report ? METHOD_REPORT : METHOD_HEARTBEAT;
  uint8_t *end = load->output;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t call = ++connection->next_tag;
    memcpy(end, template->frame, template->count);
    cbl_put_header(end, KIND_CALL, method, call, template->count - HEADER);
    if (is_report) {
      uint8_t *report = end + template->report_at;
      cbl_vary_report(&load->report, report, &load->random, wall_ms, CBL_SOME_FAILED);
    }
    cbl_sent(loop, connection, call);
    end += template->count;
  }
  return cbl_write(connection->descriptor, load->output, (size_t)(end - load->output),
                   loop->result->error);
}

static int take_reply(struct cbl_loop *loop, struct cbl_connection *connection,
                      const uint8_t *frame, size_t payload_bytes) {
  uint32_t code = frame[4] == KIND_REPLY ? cbl_frame_code(frame) : 0;
  if (code == 0) {
    cbl_answered(loop, connection, cbl_frame_call(frame));
  } else {
    cbl_refused(loop, connection, code, frame + HEADER, payload_bytes);
  }
  return 0;
}

static ssize_t receive(struct cbl_loop *loop, struct cbl_connection *connection, uint8_t *bytes,
                       size_t count) {
  return cbl_take_frames(loop, connection, bytes, count, take_reply);
}

// Sends what is due, connection after connection, each call marked with its due time. A connection
// whose calls in flight are spent waits, and its calls count from when they were due all the same.
static int64_t send_at_pace(struct cbl_loop *loop) {
  struct load *load = loop->load;
  double interval_ns = 1e9 / loop->options->calls_per_second;
  for (;;) {
    uint64_t due = loop->start_ns + (uint64_t)((double)load->paced * interval_ns);
    uint64_t now = cbl_now_ns(CLOCK_MONOTONIC);
    if (due > loop->measure_to_ns || now > loop->measure_to_ns) return INT64_MAX;
    if (due > now) return (int64_t)(due - now);
    struct cbl_connection *connection = loop->connections + load->paced % loop->opened;
    if (connection->outstanding >= loop->options->in_flight) return RETRY_NS;
    loop->now_ns = due;
    if (send_calls(loop, connection, 1) != 0) return -1;
    load->paced++;
  }
}

int cbl_load(const struct cbl_load_options *options, struct cbl_load_result *result) {
  static const struct cbl_work free_work = {.greet = greet, .send = send_calls, .receive = receive};
  static const struct cbl_work paced = {.greet = greet, .receive = receive, .turn = send_at_pace};
  struct load load = {.random = options->seed | 1};
  struct cbl_loop loop = {.work = options->calls_per_second > 0 ? &paced : &free_work,
                          .options = options, .result = result, .load = &load};
  result->error[0] = 0;
  cbl_make_report(&load.report, options->action);
  load.templates = calloc(options->connections, sizeof *load.templates);
  load.output = malloc((size_t)FRAME_ROOM * options->in_flight);
  int failed = load.templates == NULL || load.output == NULL
                   ? cbl_fail(result->error, "out of memory") : cbl_loop_all(&loop);
  free(load.templates);
  free(load.output);
  return failed;
}

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "native.h"
#include "report.h"

enum { METHOD_REPORT_BATCH = 5, MAXIMUM_REPORTS = 1000 };

struct load {
  struct cbl_report report;
  uint32_t reports;
  uint8_t *frame;
  uint64_t random;
};

static int greet(struct cbl_loop *loop, struct cbl_connection *connection) {
  return cbl_hello(connection->descriptor, loop->options->token, loop->result->error);
}

static int send_batch(struct cbl_loop *loop, struct cbl_connection *connection) {
  struct load *load = loop->load;
  uint64_t wall_ms = cbl_now_ns(CLOCK_REALTIME) / 1000000;
  char agent[32];
  snprintf(agent, sizeof agent, "bench-%u", connection->index);
  uint8_t *end = cbl_put_text(load->frame + HEADER, 1, agent);
  for (uint32_t i = 0; i < load->reports; i++) {
    cbl_vary_report(&load->report, load->report.bytes, &load->random, wall_ms, CBL_COMPLETED_ONLY);
    end = cbl_put_bytes(end, 2, load->report.bytes, load->report.count);
  }
  size_t payload = (size_t)(end - load->frame) - HEADER;
  uint32_t call = ++connection->next_tag;
  cbl_put_header(load->frame, KIND_CALL, METHOD_REPORT_BATCH, call, payload);
  // Making a batch takes longer than many a call.
  loop->now_ns = cbl_now_ns(CLOCK_MONOTONIC);
  cbl_sent(loop, connection, call);
  return cbl_write(connection->descriptor, load->frame, HEADER + payload, loop->result->error);
}

static int send_batches(struct cbl_loop *loop, struct cbl_connection *connection, uint32_t count) {
  int failed = 0;
  for (uint32_t i = 0; !failed && i < count; i++) failed = send_batch(loop, connection);
  return failed;
}

// How many of a reply's outcomes carry a code other than 0. An outcome without one begins with
// another field; see ReportLogBatchResponse.
static uint32_t refused_outcomes(const uint8_t *at, const uint8_t *end, uint32_t *outcomes) {
  uint32_t refused = 0;
  while (end - at >= 2 && *at == (1 << 3 | 2)) {
    size_t bytes = at[1] & 127, head = 2;
    if (at[1] >= 128) bytes |= (size_t)at[head++] << 7;
    refused += bytes > 0 && at[head] == 1 << 3;
    at += head + bytes;
    *outcomes += 1;
  }
  return refused;
}

static int take_reply(struct cbl_loop *loop, struct cbl_connection *connection,
                      const uint8_t *frame, size_t payload_bytes) {
  const uint8_t *payload = frame + HEADER;
  uint32_t outcomes = 0, refused = refused_outcomes(payload, payload + payload_bytes, &outcomes);
  uint32_t code = cbl_frame_code(frame);
  if (code == 0 && refused == 0 && outcomes == loop->weight) {
    cbl_answered(loop, connection, cbl_frame_call(frame));
    return 0;
  }
  cbl_refused(loop, connection, code, payload, code == 0 ? 0 : payload_bytes);
  return cbl_fail(loop->result->error, "a batch or a report in it was refused");
}

static ssize_t receive(struct cbl_loop *loop, struct cbl_connection *connection, uint8_t *bytes,
                       size_t count) {
  return cbl_take_frames(loop, connection, bytes, count, take_reply);
}

int cbl_batch_load(const struct cbl_load_options *options, uint32_t reports,
                   struct cbl_load_result *result) {
  static const struct cbl_work work = {.greet = greet, .send = send_batches, .receive = receive};
  struct load load = {.random = options->seed | 1};
  struct cbl_loop loop = {.work = &work, .options = options, .result = result, .load = &load};
  load.reports = loop.weight = reports < MAXIMUM_REPORTS ? reports : MAXIMUM_REPORTS;
  result->error[0] = 0;
  cbl_make_report(&load.report, options->action);
  load.frame = malloc(HEADER + 64 + (size_t)load.reports * (REPORT_ROOM + 4));
  int failed = load.frame == NULL ? cbl_fail(result->error, "out of memory") : cbl_loop_all(&loop);
  free(load.frame);
  return failed;
}

#define _GNU_SOURCE
#include "dispatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "loop.h"
#include "native.h"

enum { METHOD_CREATE_REQUEST = 150, FRAME_ROOM = 512, BURST = 64, POLL_WAIT_MS = 60000 };
// The number of a request, as its record's id, and the longest id or token that is taken.
enum { DIGITS = 9, TEXT_ROOM = 64 };
// How late the kernel may wake this thread; 0 is what it was before.
static const unsigned long EXACT_NS = 1, USUAL_NS = 0;

// What has become of one request, by its number.
struct request {
  uint64_t due_ns;
  uint8_t delivered;
};

struct load {
  const struct cbl_dispatch *dispatch;
  struct cbl_dispatch_result *outcome;
  struct request *requests;
  uint64_t maximum, sent;
  struct cbl_connection *operator_connection;  // its outstanding calls: requests not finished
  uint64_t interval_ns;
  // The operator's frame, and where the number of its request stands.
  uint8_t frame[FRAME_ROOM];
  size_t frame_bytes, number_at;
};

// ---- Protobuf, as far as a delivered request needs it ----

struct field {
  uint32_t number;
  const uint8_t *bytes;
  size_t count;  // 0: a number
};

static uint64_t take_varint(const uint8_t **at, const uint8_t *end) {
  uint64_t value = 0;
  for (int shift = 0; *at < end && shift < 64; shift += 7) {
    uint8_t byte = *(*at)++;
    value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) break;
  }
  return value;
}

// Takes the next field; 0 at the end. Fields of fixed size there are none.
static int next_field(const uint8_t **at, const uint8_t *end, struct field *field) {
  if (*at >= end) return 0;
  uint64_t key = take_varint(at, end), value = take_varint(at, end);
  *field = (struct field){.number = (uint32_t)(key >> 3), .bytes = *at};
  if ((key & 7) != 2) return 1;
  field->count = value <= (uint64_t)(end - *at) ? (size_t)value : (size_t)(end - *at);
  *at += field->count;
  return 1;
}

static uint8_t *put_number(uint8_t *at, int field, uint32_t value) {
  *at++ = (uint8_t)(field << 3);
  for (; value >= 128; value >>= 7) *at++ = (uint8_t)(value | 128);
  *at++ = (uint8_t)value;
  return at;
}

// ---- The agents ----

static uint8_t *put_agent(uint8_t *at, const struct cbl_connection *connection) {
  char name[32];
  snprintf(name, sizeof name, "agent-%u", connection->index);
  return cbl_put_text(at, 1, name);
}

// Polls have odd calls, reports even ones: so a reply says what it answers.
static uint8_t *put_poll(uint8_t *frame, struct cbl_connection *connection) {
  uint8_t *end = put_number(put_agent(frame + HEADER, connection), 4, POLL_WAIT_MS);
  uint32_t call = connection->next_tag + 1;
  connection->next_tag += 2;
  cbl_put_header(frame, KIND_CALL, METHOD_POLL, call, (size_t)(end - frame) - HEADER);
  return end;
}

// Goes ahead of the poll whose call is one higher.
static uint8_t *put_report(uint8_t *frame, struct cbl_connection *connection,
                           const struct field *log_id, const struct field *lease) {
  uint8_t report[FRAME_ROOM / 2];
  uint8_t *at = put_number(cbl_put_bytes(report, 1, log_id->bytes, log_id->count), 2, 1);
  at = cbl_put_text(put_number(at, 5, STATUS_COMPLETED), 6, "Exported the order as SO-204711");
  at = cbl_put_bytes(at, 8, lease->bytes, lease->count);
  uint8_t *end = put_agent(frame + HEADER, connection);
  end = cbl_put_bytes(end, 2, report, (size_t)(at - report));
  size_t payload = (size_t)(end - frame) - HEADER;
  cbl_put_header(frame, KIND_CALL, METHOD_REPORT, connection->next_tag, payload);
  return end;
}

// The request that a delivered record names; NULL: nobody made it.
static struct request *request_of(struct load *load, const struct field *entity) {
  struct field id = {0};
  const uint8_t *at = entity->bytes, *end = at + entity->count;
  while (next_field(&at, end, &id) && id.number != 2) {}
  if (id.number != 2 || id.count != DIGITS) return NULL;
  uint64_t number = 0;
  for (size_t i = 0; i < DIGITS; i++) number = number * 10 + (uint64_t)(id.bytes[i] - '0');
  return number < load->sent ? load->requests + number : NULL;
}

static void take_delivery(struct cbl_loop *loop, struct request *request) {
  struct load *load = loop->load;
  struct cbl_load_result *result = loop->result;
  load->outcome->repeated += request->delivered;
  if (request->delivered) return;
  request->delivered = 1;
  load->outcome->delivered++;
  result->answered++;
  if (request->due_ns < loop->measure_from_ns || request->due_ns > loop->measure_to_ns) return;
  result->calls++;
  cbl_record(result->latency, loop->now_ns - request->due_ns);
}

struct delivery {
  struct field log_id, entity, lease;
};

// What the poll brought; no log id: nothing.
static struct delivery read_delivery(const uint8_t *at, const uint8_t *end) {
  struct delivery delivery = {0};
  struct field outer, field;
  while (next_field(&at, end, &outer)) {
    const uint8_t *inner = outer.bytes, *inner_end = inner + outer.count;
    while (outer.number == 1 && next_field(&inner, inner_end, &field)) {
      if (field.number == 1) delivery.log_id = field;
      if (field.number == 3) delivery.entity = field;
      if (field.number == 5) delivery.lease = field;
    }
  }
  return delivery;
}

// Finishes what the poll brought and polls again, in one write, as an agent does that has room for
// one request and whose work takes no time.
static int take_poll(struct cbl_loop *loop, struct cbl_connection *connection,
                     const uint8_t *payload, size_t payload_bytes) {
  uint8_t output[2 * FRAME_ROOM], *end = output;
  struct delivery delivery = read_delivery(payload, payload + payload_bytes);
  if (delivery.log_id.count > 0) {
    struct request *request = request_of(loop->load, &delivery.entity);
    if (request == NULL || delivery.log_id.count > TEXT_ROOM || delivery.lease.count > TEXT_ROOM) {
      return cbl_fail(loop->result->error, "a delivery of what nobody asked for");
    }
    take_delivery(loop, request);
    end = put_report(end, connection, &delivery.log_id, &delivery.lease);
  }
  end = put_poll(end, connection);
  return cbl_write(connection->descriptor, output, (size_t)(end - output), loop->result->error);
}

static int take_reply(struct cbl_loop *loop, struct cbl_connection *connection,
                      const uint8_t *frame, size_t payload_bytes) {
  struct load *load = loop->load;
  const uint8_t *payload = frame + HEADER;
  uint32_t code = cbl_frame_code(frame);
  if (code != 0) {
    cbl_refused(loop, load->operator_connection, code, payload, payload_bytes);
    return cbl_fail(loop->result->error, "a call was refused");
  }
  if (connection == load->operator_connection) {
    load->outcome->requested++;
    return 0;
  }
  if (cbl_frame_call(frame) % 2 == 1) return take_poll(loop, connection, payload, payload_bytes);
  load->outcome->finished++;
  load->operator_connection->outstanding--;
  return 0;
}

static ssize_t receive(struct cbl_loop *loop, struct cbl_connection *connection, uint8_t *bytes,
                       size_t count) {
  return cbl_take_frames(loop, connection, bytes, count, take_reply);
}

static int greet(struct cbl_loop *loop, struct cbl_connection *connection) {
  struct load *load = loop->load;
  char *error = loop->result->error;
  uint8_t frame[FRAME_ROOM];
  if (connection->index == loop->options->connections) {
    load->operator_connection = connection;
    return cbl_hello(connection->descriptor, load->dispatch->operator_options->token, error);
  }
  if (cbl_hello(connection->descriptor, loop->options->token, error) != 0) return -1;
  uint8_t *end = put_poll(frame, connection);
  return cbl_write(connection->descriptor, frame, (size_t)(end - frame), error);
}

// ---- The operator ----

static void make_frame(struct load *load, const char *action) {
  static const char number[] = "#########";
  uint8_t entity[64];
  uint8_t *entity_end = cbl_put_text(cbl_put_text(entity, 1, "order"), 2, number);
  uint8_t *end = cbl_put_text(load->frame + HEADER, 1, load->dispatch->integration);
  end = cbl_put_bytes(cbl_put_text(end, 2, action), 3, entity, (size_t)(entity_end - entity));
  load->frame_bytes = (size_t)(end - load->frame);
  load->number_at = load->frame_bytes - DIGITS;
}

static void put_request(struct cbl_loop *loop, uint8_t *at, uint64_t due_ns) {
  struct load *load = loop->load;
  uint64_t number = load->sent++;
  load->requests[number].due_ns = due_ns;
  memcpy(at, load->frame, load->frame_bytes);
  cbl_put_header(at, KIND_CALL, METHOD_CREATE_REQUEST, (uint32_t)load->sent,
                 load->frame_bytes - HEADER);
  uint8_t *digits = at + load->number_at;
  for (int i = DIGITS - 1; i >= 0; i--, number /= 10) digits[i] = (uint8_t)('0' + number % 10);
  load->operator_connection->outstanding++;
  loop->left--;
  cbl_record(load->outcome->late, loop->now_ns > due_ns ? loop->now_ns - due_ns : 0);
}

// When the next request is due: at its time, or now if it follows the end of the one before and
// that has come; UINT64_MAX: none is.
static uint64_t next_due(struct cbl_loop *loop) {
  struct load *load = loop->load;
  if (loop->left == 0 || load->sent == load->maximum) return UINT64_MAX;
  uint64_t due = loop->now_ns;
  if (load->interval_ns > 0) {
    due = loop->start_ns + load->sent * load->interval_ns;
  } else if (load->operator_connection->outstanding > 0) {
    return UINT64_MAX;
  }
  return due <= loop->measure_to_ns ? due : UINT64_MAX;
}

// Sends what is due; returns how long it is to the next.
static int64_t turn(struct cbl_loop *loop) {
  struct load *load = loop->load;
  uint8_t output[BURST * FRAME_ROOM], *end = output;
  loop->now_ns = cbl_now_ns(CLOCK_MONOTONIC);
  uint64_t due = next_due(loop);
  for (int i = 0; i < BURST && due <= loop->now_ns; i++, due = next_due(loop)) {
    put_request(loop, end, due);
    end += load->frame_bytes;
  }
  size_t count = (size_t)(end - output);
  int descriptor = load->operator_connection->descriptor;
  if (count > 0 && cbl_write(descriptor, output, count, loop->result->error) != 0) return -1;
  if (due == UINT64_MAX) return INT32_MAX;
  return due > loop->now_ns ? (int64_t)(due - loop->now_ns) : 0;
}

static int run(struct cbl_loop *loop) {
  struct load *load = loop->load;
  return cbl_loop_begin(loop, 1) == 0 &&
                 cbl_loop_open(loop, loop->options, loop->options->connections) == 0 &&
                 cbl_loop_open(loop, load->dispatch->operator_options, 1) == 0 &&
                 cbl_loop_run(loop) == 0
             ? 0 : -1;
}

int cbl_dispatch_load(const struct cbl_load_options *options, const struct cbl_dispatch *dispatch,
                      struct cbl_load_result *result, struct cbl_dispatch_result *outcome) {
  static const struct cbl_work work = {.greet = greet, .receive = receive, .turn = turn};
  struct load load = {.dispatch = dispatch, .outcome = outcome};
  struct cbl_loop loop = {.work = &work, .options = options, .result = result, .load = &load};
  *outcome = (struct cbl_dispatch_result){.late = outcome->late};
  double rate = dispatch->requests_per_second;
  if (rate > 0) load.interval_ns = (uint64_t)(1e9 / rate);
  load.maximum = options->calls > 0 ? options->calls
                                    : (uint64_t)(rate * (options->warmup_seconds +
                                                         options->seconds)) + 1;
  result->error[0] = 0;
  make_frame(&load, options->action);
  load.requests = calloc(load.maximum, sizeof *load.requests);
  prctl(PR_SET_TIMERSLACK, EXACT_NS);
  int failed =
      load.requests == NULL ? cbl_fail(result->error, "out of memory") : run(&loop);
  prctl(PR_SET_TIMERSLACK, USUAL_NS);
  if (load.requests != NULL) cbl_loop_end(&loop);
  free(load.requests);
  return failed;
}

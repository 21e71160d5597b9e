#define _GNU_SOURCE
#include "report.h"

#include <string.h>

#include "loop.h"
#include "native.h"

static const char LOG_ID[] = "00000000-0000-7000-8000-000000000000";
static const char ENTITY[] = "#######";
static const char MESSAGE[] = "Exported the order to CustomSoft as SO-204711; 12 lines";

void cbl_make_report(struct cbl_report *report, const char *action) {
  uint8_t entity[64], *at = report->bytes;
  uint8_t *end = cbl_put_text(cbl_put_text(entity, 1, "order"), 2, ENTITY);
  report->id_at = 2;
  at = cbl_put_text(at, 1, LOG_ID);
  *at++ = 2 << 3;
  *at++ = 1;
  at = cbl_put_bytes(cbl_put_text(at, 3, action), 4, entity, (size_t)(end - entity));
  report->entity_at = (size_t)(at - report->bytes) - strlen(ENTITY);
  *at++ = 5 << 3;
  report->status_at = (size_t)(at - report->bytes);
  *at++ = STATUS_COMPLETED;
  at = cbl_put_text(at, 6, MESSAGE);
  report->count = (size_t)(at - report->bytes);
}

uint32_t cbl_report_bytes(void) {
  struct cbl_report report;
  uint8_t request[2 * REPORT_ROOM];
  cbl_make_report(&report, "bench_export");
  uint8_t *end = cbl_put_bytes(cbl_put_text(request, 1, "bench-1"), 2, report.bytes, report.count);
  return (uint32_t)(end - request);
}

static void put_hex(uint8_t *at, uint64_t value, int digits) {
  static const char hex[] = "0123456789abcdef";
  for (int i = digits - 1; i >= 0; i--, value >>= 4) at[i] = (uint8_t)hex[value & 15];
}

void cbl_vary_report(const struct cbl_report *report, uint8_t *bytes, uint64_t *random,
                     uint64_t wall_ms, enum cbl_outcome outcome) {
  uint64_t a = cbl_random(random), b = cbl_random(random);
  uint8_t *id = bytes + report->id_at;
  put_hex(id, wall_ms >> 16, 8);
  put_hex(id + 9, wall_ms & 0xffff, 4);
  put_hex(id + 15, a & 0xfff, 3);
  put_hex(id + 19, 0x8000 | ((a >> 12) & 0x3fff), 4);
  put_hex(id + 24, b & 0xffffffffffffull, 12);
  uint64_t entity = (a >> 32) % 1000000;
  uint8_t *digits = bytes + report->entity_at;
  for (int i = 6; i >= 0; i--, entity /= 10) digits[i] = (uint8_t)('0' + entity % 10);
  int failed = outcome == CBL_SOME_FAILED && (b >> 48) % 20 == 0;
  bytes[report->status_at] = failed ? STATUS_FAILED : STATUS_COMPLETED;
}

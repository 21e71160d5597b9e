// One report as the loads send it: prebuilt, with the places that differ from report to report.
#ifndef CBENCHLOAD_REPORT_H
#define CBENCHLOAD_REPORT_H

#include <stddef.h>
#include <stdint.h>

enum { REPORT_ROOM = 256 };

struct cbl_report {
  uint8_t bytes[REPORT_ROOM];  // a LogReport
  size_t count;
  size_t id_at, entity_at, status_at;
};

// A completed report of one action on an order.
void cbl_make_report(struct cbl_report *report, const char *action);

// Writes a fresh id and a random order into the report at `bytes`; all of them
// COMPLETED, or one in twenty FAILED.
enum cbl_outcome { CBL_COMPLETED_ONLY, CBL_SOME_FAILED };
void cbl_vary_report(const struct cbl_report *report, uint8_t *bytes, uint64_t *random,
                     uint64_t wall_ms, enum cbl_outcome outcome);

#endif

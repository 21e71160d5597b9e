// Load on the servers that ours is compared with, each in its own text protocol, and the call that
// carries a thousand reports. Included by CBenchLoad.h.
#ifndef CBENCHLOAD_PEERS_H
#define CBENCHLOAD_PEERS_H

#include <stdint.h>

struct cbl_load_options;
struct cbl_load_result;

// Who takes the payload.
enum cbl_peer_kind {
  CBL_PEER_REDIS,      // XADD to the stream `reports`
  CBL_PEER_BEANSTALKD, // put into the tube `default`
  CBL_PEER_NATS,       // publish on the subject `reports`, acknowledged by its JetStream
};

// Puts payloads of `payload_bytes` bytes (at most 4,096) with as many connections and puts in
// flight as `options` say; each answer starts the next put. Of the options kind, unix_path, token
// and action do not count. Runs on the calling thread. Returns 0, or -1 with `error` set.
int cbl_peer_load(enum cbl_peer_kind kind, const struct cbl_load_options *options,
                  uint32_t payload_bytes, struct cbl_load_result *result);

// Sends `request` to a loopback port and reads until `until` has come, at most `room` - 1 bytes and
// at most ten seconds. Returns how many bytes came, the text ended by NUL, or -1 with errno set.
int cbl_ask(uint16_t port, const char *request, const char *until, char *reply, uint32_t room);

// ReportLogBatch with `reports` reports in each call (at most 1,000); of the results, calls and
// answered count reports, the latency is a call's. Otherwise as cbl_load with CBL_LOAD_REPORT.
int cbl_batch_load(const struct cbl_load_options *options, uint32_t reports,
                   struct cbl_load_result *result);

// Sends the heartbeat of one of the waiting agents and reads its reply; `call` is above 1, the
// poll's, and above the one before. Returns 0, or -1 when another answer came or none.
struct cbl_idle;
int cbl_idle_heartbeat(struct cbl_idle *idle, uint32_t agent, uint32_t call);

// How many payload bytes one report of CBL_LOAD_REPORT has, so that peers store as many.
uint32_t cbl_report_bytes(void);

#endif

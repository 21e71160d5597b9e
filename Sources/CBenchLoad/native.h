// The native protocol as far as the load needs it. See Protos/PROTOCOL.md.
#ifndef CBENCHLOAD_NATIVE_H
#define CBENCHLOAD_NATIVE_H

#include <stddef.h>
#include <time.h>

#include "CBenchLoad.h"

enum { HEADER = 16 };
enum { KIND_HELLO = 1, KIND_CALL = 2, KIND_REPLY = 3, KIND_PING = 6, KIND_GOAWAY = 8 };
enum { METHOD_REPORT = 2, METHOD_POLL = 3, METHOD_HEARTBEAT = 4 };
enum { STATUS_COMPLETED = 3, STATUS_FAILED = 4 };

uint64_t cbl_now_ns(clockid_t clock);

// Sets the error unless there is one; returns -1.
int cbl_fail(char *error, const char *what);
int cbl_fail_errno(char *error, const char *call);

void cbl_put_header(uint8_t *at, uint8_t kind, uint16_t number, uint32_t call, size_t payload);

// A length-delimited protobuf field of fewer than 16,384 bytes; returns its end.
uint8_t *cbl_put_bytes(uint8_t *at, int field, const void *bytes, size_t count);
uint8_t *cbl_put_text(uint8_t *at, int field, const char *text);

// Writes everything; returns 0 or -1 with the error set.
int cbl_write(int descriptor, const uint8_t *bytes, size_t count, char *error);

// Connects a blocking socket; returns it, or -1 with the error set.
int cbl_open(const struct cbl_load_options *options, char *error);

// Sends preamble and HELLO; returns 0 or -1 with the error set.
int cbl_hello(int descriptor, const char *token, char *error);

#endif

import RPCWire
import Testing

@Suite struct ListenAddressTests {
  @Test(
    "An address reads as it is written",
    arguments: [
      ("unix:/run/i.sock", ListenAddress.unix(path: "/run/i.sock")),
      ("unix:relative", .unix(path: "relative")),
      ("tcp:127.0.0.1:7300", .tcp(host: "127.0.0.1", port: 7300)),
      ("tcp:localhost:0", .tcp(host: "localhost", port: 0)),
      ("tcp:[::1]:7300", .tcp(host: "::1", port: 7300)),
    ])
  func reads(_ text: String, _ expected: ListenAddress) throws {
    let address = try ListenAddress(text)
    #expect(address == expected)
    #expect(address.description == text)
  }

  @Test(
    "What is no address is refused with what was expected",
    arguments: [
      ("", "unix:PATH or tcp:HOST:PORT"), ("http://x", "unix:PATH"), ("unix:", "a path"),
      ("unix:a\u{0}b", "a path"), ("tcp:host", "tcp:HOST:PORT"), ("tcp:host:", "a port"),
      ("tcp:host:65536", "a port"), ("tcp:host:-1", "a port"), ("tcp:host:+1", "a port"),
      ("tcp::1", "a host"), ("tcp:::1:80", "brackets"), ("tcp:[]:80", "a host"),
      ("unix:" + String(repeating: "p", count: 108), "at most 107 bytes"),
    ])
  func refuses(_ text: String, _ expected: String) {
    let error = #expect(throws: AddressError.self) { try ListenAddress(text) }
    #expect(error?.expected.contains(expected) == true)
  }
}

@Suite struct StatusCodeTests {
  @Test(
    "Codes have google.rpc.Code's numbers and names",
    arguments: [
      (StatusCode.ok, 0, "OK"), (.cancelled, 1, "CANCELLED"), (.notFound, 5, "NOT_FOUND"),
      (.resourceExhausted, 8, "RESOURCE_EXHAUSTED"), (.internalError, 13, "INTERNAL"),
      (.unauthenticated, 16, "UNAUTHENTICATED"), (StatusCode(rawValue: 99), 99, "CODE_99"),
    ])
  func names(_ code: StatusCode, _ number: UInt16, _ name: String) {
    #expect(code.rawValue == number)
    #expect(code.name == name)
  }

  @Test(
    "A GOAWAY's reason stands for its code",
    arguments: [
      ("TOKEN_REVOKED", StatusCode.unauthenticated), ("TOO_MANY_CONNECTIONS", .resourceExhausted),
      ("FRAME_TOO_SHORT", .invalidArgument), ("PROTOCOL_UNSUPPORTED", .failedPrecondition),
      ("HELLO_TIMEOUT", .deadlineExceeded), ("SHUTTING_DOWN", .unavailable), ("NEW", .unavailable),
    ])
  func reasons(_ reason: String, _ code: StatusCode) {
    #expect(StatusCode(wireReason: reason) == code)
  }

  @Test("An error's text names code, reason and fields, and its mark survives")
  func errorText() {
    let error = RPCError(
      .invalidArgument, "one field is wrong", reason: "FIELD_INVALID",
      violations: [FieldViolation(field: "a.b", description: "expected 1, came 2")])
    #expect(
      error.description
        == "INVALID_ARGUMENT (FIELD_INVALID): one field is wrong; a.b: expected 1, came 2")
    #expect(!error.wasNotStarted)
    #expect(error.markedNotStarted().wasNotStarted)
    #expect(error.retryAfter(milliseconds: 50).retryAfterMs == 50)
  }
}

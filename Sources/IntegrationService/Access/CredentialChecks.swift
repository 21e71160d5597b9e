import IntegrationAPI
import IntegrationModel
import ProtobufRuntime
import RPCWire

extension FieldChecks {
  /// When a key or token shall end; nil: never.
  ///
  /// It lies ahead, within what RFC 3339 can write.
  mutating func end(_ time: Timestamp?, _ field: String, now: Instant) -> Instant? {
    guard let time else { return nil }
    // 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
    guard (0...253_402_300_799).contains(time.seconds), (0...999_999_999).contains(time.nanos)
    else {
      note(
        field,
        "expected a time up to the year 9999, with 0 to 999999999 nanos; it has "
          + "\(time.seconds) seconds and \(time.nanos) nanos")
      return nil
    }
    let end = time.instant
    if end <= now { note(field, "expected a time that lies ahead; \(end.utcText) is past") }
    return end
  }
}

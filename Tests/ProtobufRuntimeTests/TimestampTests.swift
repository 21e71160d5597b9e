import ProtobufRuntime
import Testing

@Suite struct TimestampTests {
  @Test(
    "Times are written as RFC 3339 with 0, 3, 6 or 9 digits",
    arguments: [
      (Timestamp(), "1970-01-01T00:00:00Z"),
      (Timestamp(seconds: -1), "1969-12-31T23:59:59Z"),
      (Timestamp(seconds: 951_782_400), "2000-02-29T00:00:00Z"),
      (Timestamp(seconds: 1_764_000_000, nanos: 250_000_000), "2025-11-24T16:00:00.250Z"),
      (Timestamp(seconds: 1, nanos: 1000), "1970-01-01T00:00:01.000001Z"),
      (Timestamp(seconds: 1, nanos: 1), "1970-01-01T00:00:01.000000001Z"),
      (Timestamp(seconds: 253_402_300_799), "9999-12-31T23:59:59Z"),
      (Timestamp(seconds: -62_135_596_800), "0001-01-01T00:00:00Z"),
      (Timestamp(seconds: .max, nanos: .min), "9223372036854775807s"),
      (Timestamp(seconds: 0, nanos: -1), "0s"),
    ])
  func text(time: Timestamp, text: String) {
    #expect(time.description == text)
  }

  @Test(
    "Milliseconds and microseconds lead back to the same time",
    arguments: [0, 1, -1, 999, -999, 1000, -1001, 1_764_000_000_123, Int64.max, Int64.min])
  func units(value: Int64) {
    #expect(Timestamp(milliseconds: value).milliseconds == value)
    #expect(Timestamp(microseconds: value).microseconds == value)
    #expect((0..<1_000_000_000).contains(Timestamp(microseconds: value).nanos))
  }

  @Test("A peer's time that no 64-bit number of ms holds is the nearest that one does")
  func outOfRange() {
    #expect(Timestamp(seconds: .max).milliseconds == .max)
    #expect(Timestamp(seconds: .min, nanos: .min).microseconds == .min)
    #expect(Timestamp(seconds: 1) < Timestamp(seconds: 1, nanos: 1))
  }
}

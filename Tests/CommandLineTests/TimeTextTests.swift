import Testing

@testable import integrationctl

@Suite struct TimeTextTests {
  /// 2026-11-24T08:30:00Z.
  static let now = WallTime(milliseconds: 1_795_509_000_000)

  @Test(
    "Moments are read and written as RFC 3339",
    arguments: [
      ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
      ("2026-11-24T08:30:00Z", "2026-11-24T08:30:00Z"),
      ("2026-11-24 08:30:00z", "2026-11-24T08:30:00Z"),
      ("2026-11-24T09:30:00.25+01:00", "2026-11-24T08:30:00.250Z"),
      ("2026-11-24T00:00:00-00:30", "2026-11-24T00:30:00Z"),
      ("2026-11-24", "2026-11-24T00:00:00Z"),
      ("2024-02-29", "2024-02-29T00:00:00Z"),
      ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999Z"),
      ("0001-01-01", "0001-01-01T00:00:00Z"),
      ("9999-12-31T23:59:60Z", "9999-12-31T23:59:59Z"),
      ("now", "2026-11-24T08:30:00Z"),
      ("15m", "2026-11-24T08:15:00Z"),
      ("2d", "2026-11-22T08:30:00Z"),
    ])
  func reading(text: String, expected: String) throws {
    let time = try #require(TimeText.parse(text, now: Self.now))
    #expect(TimeText.rfc3339(time) == expected)
  }

  @Test(
    "What is no moment is refused",
    arguments: [
      "", "yesterday", "2026-13-01", "2026-02-29", "2026-11-24T", "2026-11-24T25:00:00Z",
      "2026-11-24T08:30:00", "2026-11-24T08:30:00+1", "2026-11-24T08:30:00Zx",
      "2026-11-24T08:30:00.Z",
      "1795509000", "99999999999999d", "9999999w", "2026-1-1", "０026-11-24",
    ])
  func refusing(text: String) {
    #expect(TimeText.parse(text, now: Self.now) == nil)
  }

  @Test(
    "People read how long ago",
    arguments: [
      (0, "now"), (999, "now"), (1500, "1s ago"), (42_000, "42s ago"), (125_000, "2m ago"),
      (900_000, "15m ago"), (4_800_000, "1h ago"), (90_000_000, "1d ago"),
      (-20_000, "in 20s"),
    ])
  func relative(milliseconds: Int64, expected: String) {
    let time = WallTime(milliseconds: Self.now.milliseconds - milliseconds)
    #expect(TimeText.relative(time, now: Self.now) == expected)
  }

  @Test(
    "A span is shorter the longer it is",
    arguments: [
      (0, "0ms"), (12, "12ms"), (3400, "3.4s"), (9999, "9.9s"), (42_999, "42s"), (125_000, "2m 5s"),
      (900_000, "15m"), (4_800_000, "1h 20m"), (90_000_000, "1d 1h"), (1_000_000_000, "11d"),
    ])
  func spans(milliseconds: Int64, expected: String) {
    #expect(TimeText.span(milliseconds: milliseconds) == expected)
  }

  @Test("Every fifth day of four centuries is written as it is read")
  func calendar() throws {
    var day = try #require(TimeText.daysSinceEpoch(year: 1900, month: 1, day: 1))
    let end = try #require(TimeText.daysSinceEpoch(year: 2300, month: 1, day: 1))
    #expect(end - day == 146_097)
    while day < end {
      let time = WallTime(milliseconds: day * 86_400_000)
      #expect(TimeText.parse(TimeText.date(time), now: Self.now) == time)
      day += 5
    }
  }
}

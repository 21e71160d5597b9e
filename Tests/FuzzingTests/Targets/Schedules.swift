@testable import IntegrationModel

extension FuzzTarget {
  /// Cron expressions and the times that they name in a zone.
  ///
  /// Input: a time in seconds, the zone's rule as POSIX writes it, a 0, the expression.
  static let cron = FuzzTarget("cron", maximumBytes: 640) { bytes in
    var input = FuzzInput(bytes)
    let start = Instant(milliseconds: input.number(Int64.self))
    let rule = input.text()
    guard let expression = try? CronExpression(input.restText) else { return }
    let footer = ZoneFooter(Array(rule.utf8))
    let zone = ZoneRules(
      transitions: [], offsets: [], firstOffset: 0, footer: footer)
    try times(CronTimes(expression, in: zone), after: start)
  }

  /// Files of time zones.
  ///
  /// Input: a time in milliseconds, then the file.
  static let zone = FuzzTarget("zone", maximumBytes: 4_096) { bytes in
    var input = FuzzInput(bytes)
    let start = Instant(milliseconds: input.number(Int64.self))
    guard let zone = try? ZoneRules(tzif: Array(input.rest)) else { return }
    let seconds = start.milliseconds / 1_000
    let limit = 93_599 * 2
    try require(abs(zone.offset(at: seconds)) <= limit * 4, "an offset is more than some days")
    if let next = zone.nextTransition(after: seconds) {
      try require(next > seconds, "the next change of clocks is not behind")
    }
    if let last = zone.lastTransition(by: seconds) {
      try require(last <= seconds, "the last change of clocks is not before")
    }
    _ = zone.localText(start)
    for text in ["* * * * *", "30 2 * * *", "0 0 29 2 1"] {
      try times(CronTimes(CronExpression(text), in: zone), after: start)
    }
    let offset: ZoneOffset = { zone.offset(at: $0.milliseconds / 1_000) }
    for period in LogPeriod.allCases { _ = period.name(at: start, offset) }
  }

  /// Times rise, lie on whole minutes of the zone's clocks, and match.
  private static func times(_ times: CronTimes, after start: Instant) throws {
    var last = start
    for _ in 0..<4 {
      guard let next = times.next(after: last) else { return }
      try require(next > last, "a time does not come after the one before")
      last = next
      _ = next.utcText
      _ = times.zone.localText(next)
    }
  }
}

/// The times of a cron expression in a time zone, over changes of its clocks.
///
/// Decision 1 of the module has the rules and their reasons.
public struct CronTimes: Hashable, Sendable {
  /// The five fields.
  public let expression: CronExpression
  /// The zone whose clocks they are read on.
  public let zone: ZoneRules

  /// Makes the times of an expression in a zone.
  public init(_ expression: CronExpression, in zone: ZoneRules) {
    self.expression = expression
    self.zone = zone
  }

  /// The first time after another; nil: none within 50 years.
  public func next(after instant: Instant) -> Instant? {
    let start = CivilTime.floorDivide(instant.milliseconds, 1_000)
    guard start.magnitude < 1 << 50 else { return nil }
    return nextSeconds(after: start).map { Instant(milliseconds: $0 * 1_000) }
  }

  private func nextSeconds(after start: Int64) -> Int64? {
    let end = start + CronExpression.horizonDays * 86_400
    var offset = Int64(zone.offset(at: start))
    var local = firstLabel(after: start, offset: offset)
    var time = start
    while time < end {
      let change = zone.nextTransition(after: time) ?? end
      if let match = expression.firstMatch(from: local, before: change + offset) {
        return match - offset
      }
      guard change < end else { return nil }
      let next = Int64(zone.offset(at: change))
      if next > offset {
        if catchesUp(gap: next - offset),
          expression.firstMatch(from: roundedUp(change + offset), before: change + next) != nil
        {
          return change
        }
        local = roundedUp(change + next)
      } else {
        local = roundedUp(change + (repeats(overlap: offset - next) ? next : offset))
      }
      offset = next
      time = change
    }
    return nil
  }

  /// The first whole minute on the wall after a time; minutes that an overlap brings a second time
  /// are passed where they are not to run again.
  private func firstLabel(after start: Int64, offset: Int64) -> Int64 {
    let label = CivilTime.floorDivide(start + offset, 60) * 60 + 60
    guard let change = zone.lastTransition(by: start) else { return label }
    let before = Int64(zone.offset(at: change - 1))
    guard before > offset, !repeats(overlap: before - offset) else { return label }
    return max(label, roundedUp(change + before))
  }

  private func roundedUp(_ seconds: Int64) -> Int64 {
    CivilTime.floorDivide(seconds + 59, 60) * 60
  }

  /// Whether what a gap swallows runs once at its end.
  ///
  /// Not where each hour has its run and whole hours are left out: the clock shows fewer hours, and
  /// as much time passes between two runs as ever. Nor where the minute's field begins with `*`.
  private func catchesUp(gap: Int64) -> Bool {
    !(expression.isEveryHour && (expression.hasAnyMinute || gap % 3_600 == 0))
  }

  /// Whether what an overlap repeats runs again.
  ///
  /// So where the minute's field begins with `*`, or each hour has its run and whole hours are
  /// repeated: they go by the time that passes.
  private func repeats(overlap: Int64) -> Bool {
    expression.hasAnyMinute || (expression.isEveryHour && overlap % 3_600 == 0)
  }
}

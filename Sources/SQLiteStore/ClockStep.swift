import IntegrationModel
import IntegrationStore

/// A step of the clock that commands may not have seen yet.
struct ClockStep {
  /// How long such commands may be under way.
  static let lifetime = Duration.seconds(10)

  var milliseconds: Int64
  /// The first time by the new clock, and when it was read.
  var now: Instant
  var seen: ContinuousClock.Instant

  var isOver: Bool { ContinuousClock.now - seen > Self.lifetime }

  /// A command's time by the new clock: one that fits the old one better was read before the step.
  func settled(_ time: Instant) -> Instant {
    let span = (ContinuousClock.now - seen) / .milliseconds(1)
    let expected = now.adding(milliseconds: Int64(span))
    let moved = time.adding(milliseconds: milliseconds)
    let isOld =
      moved.milliseconds(since: expected).magnitude < time.milliseconds(since: expected).magnitude
    return isOld ? moved : time
  }
}

extension CommandBatch {
  /// By how much a command says that the clock was set; nil: it is another one.
  borrowing func clockStep(of entry: Entry) -> (ms: Int64, read: ContinuousClock.Instant)? {
    guard entry.kind == .other, case .moveClock(let step, let read) = others[Int(entry.index)]
    else { return nil }
    return (step, read)
  }
}

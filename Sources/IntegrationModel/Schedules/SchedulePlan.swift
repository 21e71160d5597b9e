/// What happens when the run before has not ended; the raw values are those of `Overlap` in the
/// schema.
public enum ScheduleOverlap: UInt8, Sendable, CaseIterable {
  /// The time passes without a run.
  case skip = 1
  /// The run waits until the one before has ended.
  case queue = 2
  /// The one before is cancelled.
  case cancelRunning = 3
}

/// What happens with times at which the server was down; the raw values are those of `CatchUp` in
/// the schema.
public enum ScheduleCatchUp: UInt8, Sendable, CaseIterable {
  /// They pass.
  case none = 1
  /// The last of them runs.
  case last = 2
  /// Each of them runs, one behind the other.
  case all = 3
}

/// What a schedule does at a moment: which of its times runs, if any, and what comes next.
public struct SchedulePlan: Hashable, Sendable {
  /// The time that runs; nil: none does.
  public var run: Instant?
  /// How many times pass without a run, at least: above ``maximumCounted`` they are not counted.
  public var passed: UInt64
  /// Whether the run makes up for lost time, so that it waits behind the one before.
  public var isCatchUp: Bool
  /// The schedule's next time; nil: there is none.
  public var next: Instant?
  /// When that one fires.
  public var fireAt: Instant?

  /// Makes a plan.
  public init(
    run: Instant?, passed: UInt64, isCatchUp: Bool, next: Instant?, fireAt: Instant?
  ) {
    self.run = run
    self.passed = passed
    self.isCatchUp = isCatchUp
    self.next = next
    self.fireAt = fireAt
  }

  /// A time this much in the past is no missed one: a restart or a busy machine takes as long.
  public static let graceMs: Int64 = 60_000
  /// How many missed times are counted.
  public static let maximumCounted = 100_000
  /// How old a missed time may be where the schedule names no window: one day.
  public static let defaultWindowMs: UInt64 = 86_400_000
  /// The longest window, 31 days.
  public static let maximumWindowMs: UInt64 = 2_678_400_000
}

/// How a schedule runs, as far as time is concerned; reads no clock.
public struct SchedulePace: Hashable, Sendable {
  /// The schedule's name, part of the jitter.
  public var name: String
  /// When it runs.
  public var timing: ScheduleTiming
  /// What happens with missed times.
  public var catchUp: ScheduleCatchUp
  /// How old a missed time may be in milliseconds; 0: one day.
  public var windowMs: UInt64
  /// How long a run may wait in milliseconds.
  public var jitterMs: UInt64

  /// Makes a pace.
  public init(
    name: String, timing: ScheduleTiming, catchUp: ScheduleCatchUp, windowMs: UInt64,
    jitterMs: UInt64
  ) {
    self.name = name
    self.timing = timing
    self.catchUp = catchUp
    self.windowMs = windowMs
    self.jitterMs = jitterMs
  }

  /// A time and when it fires.
  public typealias First = (time: Instant, fireAt: Instant)

  /// The first time after another, and when it fires.
  public func first(after instant: Instant) -> First? {
    timing.next(after: instant).map { ($0, fireAt($0)) }
  }

  /// When a time fires.
  public func fireAt(_ time: Instant) -> Instant {
    guard jitterMs > 0 else { return time }
    return ScheduleJitter.fireAt(
      time, next: timing.next(after: time), jitterMs: jitterMs, schedule: name)
  }

  /// What to do at `now` when `due` is the first time that was not handled and fires by now.
  public func plan(due: Instant, now: Instant) -> SchedulePlan {
    switch catchUp {
    case .all: planEach(due, now)
    case .none: planLast(due, now, oldest: now.adding(milliseconds: -SchedulePlan.graceMs))
    case .last: planLast(due, now, oldest: oldestWanted(now))
    }
  }

  /// Times before this are left out.
  private func oldestWanted(_ now: Instant) -> Instant {
    let window = windowMs == 0 ? SchedulePlan.defaultWindowMs : windowMs
    let bounded = Int64(clamping: min(window, SchedulePlan.maximumWindowMs))
    return now.adding(milliseconds: -max(bounded, SchedulePlan.graceMs))
  }

  /// Whether a time that is fired now is late, so that it counts as missed.
  private func isMissed(_ time: Instant, _ now: Instant) -> Bool {
    now.milliseconds(since: fireAt(time)) > SchedulePlan.graceMs
  }

  private func planEach(_ due: Instant, _ now: Instant) -> SchedulePlan {
    let oldest = oldestWanted(now)
    var time = due
    var passed: UInt64 = 0
    if fireAt(due) < oldest {
      let first = timing.next(after: oldest.adding(milliseconds: -1)) ?? due
      passed = count(from: due, before: first)
      guard first <= now, fireAt(first) <= now else { return plan(nil, passed, next: first) }
      time = first
    }
    var plan = plan(time, passed, next: timing.next(after: time))
    // A time that the next one has overtaken is missed however short ago it was.
    plan.isCatchUp = isMissed(time, now) || plan.fireAt.map { $0 <= now } ?? false
    return plan
  }

  private func planLast(_ due: Instant, _ now: Instant, oldest: Instant) -> SchedulePlan {
    // Only times that may run are walked through one by one.
    var last: Instant? = due
    var passed: UInt64 = 0
    if fireAt(due) < oldest {
      // A time's jitter may reach into the window.
      let from = oldest.adding(milliseconds: -1 - Int64(min(jitterMs, ScheduleJitter.maximumMs)))
      let first = timing.next(after: max(from, due)) ?? due
      passed = count(from: due, before: first)
      last = nil
      guard first <= now, fireAt(first) <= now else { return plan(nil, passed, next: first) }
      last = first
    }
    guard var time = last else { return plan(nil, passed, next: nil) }
    if case .interval(let milliseconds, _) = timing, milliseconds > 0 {
      // All but the last two are passed at once: each fires before the one behind it comes.
      let steps = max(0, now.milliseconds(since: time) / milliseconds - 1)
      time = time.adding(milliseconds: steps * milliseconds)
      passed += UInt64(steps)
    }
    while let next = timing.next(after: time), fireAt(next) <= now {
      time = next
      passed += 1
    }
    let next = timing.next(after: time)
    guard fireAt(time) >= oldest else { return plan(nil, passed + 1, next: next) }
    return plan(time, passed, next: next)
  }

  private func plan(_ run: Instant?, _ passed: UInt64, next: Instant?) -> SchedulePlan {
    SchedulePlan(
      run: run, passed: passed, isCatchUp: false, next: next, fireAt: next.map(fireAt))
  }

  /// How many times there are from one to another, without it.
  private func count(from first: Instant, before end: Instant) -> UInt64 {
    if case .interval(let milliseconds, _) = timing, milliseconds > 0 {
      let span = end.milliseconds(since: first)
      return span <= 0 ? 0 : UInt64((span - 1) / milliseconds + 1)
    }
    var count: UInt64 = 0
    var time = first
    while time < end, count < UInt64(SchedulePlan.maximumCounted) {
      count += 1
      guard let next = timing.next(after: time) else { break }
      time = next
    }
    return count
  }
}

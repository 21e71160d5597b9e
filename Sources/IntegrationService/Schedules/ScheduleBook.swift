import IntegrationModel
import IntegrationStore
import Synchronization

/// All schedules in memory: a copy of the store's, brought up to date by the events of each commit,
/// with the times at which they fire in order.
///
/// Safe to use from any thread; each answer is a copy.
final class ScheduleBook: Sendable {
  /// A schedule and how it runs.
  struct Entry: Sendable {
    var stored: StoredSchedule
    /// How it runs; nil: its zone's rules are missing.
    var pace: SchedulePace?
    /// Why there is no pace; empty: there is.
    var problem: String
    /// Whether a command is on its way to the store that handles its time.
    var isFiring = false
  }

  private struct State {
    var entries: [String: Entry] = [:]
    /// Names by the time in milliseconds at which they are looked at; stale entries fall out when
    /// they are met.
    var heap = DeadlineHeap<String>()
  }

  private let state = Mutex(State())
  private let zones: ZoneFiles

  init(zones: ZoneFiles) { self.zones = zones }

  /// Takes over a schedule that was made, changed or has fired; its zone was loaded before.
  func update(_ stored: StoredSchedule) {
    var entry = Entry(stored: stored, pace: nil, problem: "")
    if let rules = zones.loaded(stored.timeZone) {
      entry.pace = SchedulePace(stored, zone: rules)
      if entry.pace == nil { entry.problem = "its cron expression cannot be read" }
    } else {
      entry.problem =
        "the server has no time zone \(stored.timeZone): install the package tzdata there and "
        + "restart the server"
    }
    state.withLock { state in
      let before = state.entries.updateValue(entry, forKey: stored.name)
      guard let fireAt = stored.fireAt, entry.pace != nil else { return }
      // It still waits in the heap for the same time.
      if let before, before.stored.fireAt == fireAt, !before.isFiring, before.pace != nil { return }
      state.heap.insert(stored.name, due: fireAt.milliseconds)
    }
  }

  /// Forgets a schedule.
  func remove(_ name: String) {
    _ = state.withLock { $0.entries.removeValue(forKey: name) }
  }

  /// The schedule of a name.
  func entry(_ name: String) -> Entry? {
    state.withLock { $0.entries[name] }
  }

  /// All schedules by name; of one integration, where one is named.
  func all(of integration: IntegrationID? = nil) -> [Entry] {
    state.withLock { Array($0.entries.values) }
      .filter { integration == nil || $0.stored.integration == integration }
      .sorted { $0.stored.name < $1.stored.name }
  }

  /// How long a run may take to begin before its action counts as quiet.
  static let graceMs: Int64 = 300_000

  /// By when an integration's actions are to run again, by their types.
  ///
  /// The earliest time that was not handled; a schedule that is paused expects nothing.
  func expected(of integration: IntegrationID) -> [String: Instant] {
    var expected: [String: Instant] = [:]
    for entry in all(of: integration) where !entry.stored.isPaused {
      guard let fires = entry.stored.fireAt else { continue }
      let (type, time) = (entry.stored.actionType, fires.adding(milliseconds: Self.graceMs))
      expected[type] = min(expected[type] ?? time, time)
    }
    return expected
  }

  /// Schedules whose last time was refused, or that cannot run.
  func failing() -> [StoredSchedule] {
    let failing = state.withLock { state in
      state.entries.values.filter {
        !$0.stored.isPaused && ($0.stored.failures > 0 || !$0.problem.isEmpty)
      }
    }
    return failing.map(\.shown).sorted { $0.name < $1.name }
  }

  /// When the next schedule may have to fire; nil: none ever.
  var earliest: Instant? {
    state.withLock { $0.heap.earliest.map { Instant(milliseconds: $0) } }
  }

  /// Takes out some schedules that fire by a time; each is out until it is updated or put back.
  func takeDue(by now: Instant, maximum: Int) -> [Entry] {
    state.withLock { state in
      var due: [Entry] = []
      while due.count < maximum, let name = state.heap.popDue(by: now.milliseconds) {
        guard let entry = state.entries[name], !entry.isFiring, entry.pace != nil,
          let fireAt = entry.stored.fireAt, fireAt <= now
        else { continue }
        state.entries[name]?.isFiring = true
        due.append(entry)
      }
      return due
    }
  }

  /// Takes out the schedules whose next time is not the first one behind `now` but a later one,
  /// with that first one; each is out until it is updated or put back.
  func takeFarther(than now: Instant) -> [(entry: Entry, first: SchedulePace.First)] {
    state.withLock { state in
      var found: [(entry: Entry, first: SchedulePace.First)] = []
      for (name, entry) in state.entries where !entry.isFiring && !entry.stored.isPaused {
        guard let pace = entry.pace, let next = entry.stored.nextAt, next > now,
          let first = pace.first(after: now), first.time < next
        else { continue }
        state.entries[name]?.isFiring = true
        found.append((entry, first))
      }
      return found
    }
  }

  /// Looks at a schedule again at a time, because the store could not take what it was to do.
  func putBack(_ name: String, until time: Instant) {
    state.withLock { state in
      guard state.entries[name]?.isFiring == true else { return }
      state.entries[name]?.isFiring = false
      state.heap.insert(name, due: time.milliseconds)
    }
  }
}

extension ScheduleBook.Entry {
  /// The schedule with what keeps it from running as its last error, and then without a next time.
  var shown: StoredSchedule {
    guard !problem.isEmpty else { return stored }
    var shown = stored
    shown.lastError = problem
    shown.nextAt = nil
    shown.fireAt = nil
    return shown
  }
}

extension SchedulePace {
  /// How a schedule runs, with the rules of its zone; nil: its cron expression is none.
  init?(_ stored: StoredSchedule, zone: ZoneRules) {
    let timing: ScheduleTiming
    if stored.cron.isEmpty {
      timing = .interval(
        milliseconds: Int64(clamping: stored.intervalMs), anchor: stored.createdAt)
    } else {
      guard let expression = try? CronExpression(stored.cron) else { return nil }
      timing = .cron(CronTimes(expression, in: zone))
    }
    self.init(
      name: stored.name, timing: timing, catchUp: stored.catchUp,
      windowMs: stored.catchUpWindowMs, jitterMs: stored.jitterMs)
  }
}

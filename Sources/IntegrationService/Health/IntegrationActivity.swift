import IntegrationModel
import IntegrationStore

/// What the actions of an integration did in the last days, as far as health asks.
struct IntegrationActivity: Sendable {
  /// What ended in the last 24 hours: this one and the 23 before.
  var today = FailureRate()
  /// What ended in the 24 hours before.
  var dayBefore = FailureRate()
  /// When actions usually run, by their types; those without a habit are left out.
  var habits: [String: ActivityHabit] = [:]
  /// By when schedules want actions to have run again, by their types: the next time that none of
  /// them has handled, and a while to begin.
  var scheduled: [String: Instant] = [:]

  /// An integration that did nothing.
  init() {}

  /// Finds what is asked in the hours of an integration's actions.
  init(_ actions: [ActionHours], now: Instant) {
    let hour = HourOfTime.of(now)
    for action in actions {
      today.add(action.rate(from: hour - 23, until: hour + 1))
      dayBefore.add(action.rate(from: hour - 47, until: hour - 23))
      habits[action.actionType] = ActivityHabit(activeHours: action.hours.map(\.hour))
    }
  }

  /// From which hour on the store is asked: habits end with two weeks of silence, and look back two
  /// weeks from the last activity.
  static func firstHour(at now: Instant) -> Int64 {
    HourOfTime.of(now) - 2 * ActivityHabit.historyHours
  }
}

extension FailureRate {
  /// Takes in another action's.
  mutating func add(_ other: FailureRate) {
    ended += other.ended
    failed += other.failed
  }
}

import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import Synchronization

/// The rules of retention and what the last pruning did, in memory; safe to use from any thread.
final class RetentionBoard: Sendable {
  private struct State {
    var rules: [StoredRetentionRule] = StoredRetentionRule.statuses.map {
      StoredRetentionRule(status: $0)
    }
    var started: Instant?
    var ended: Instant?
    var removedLogs: UInt64 = 0
    var freedBytes: UInt64 = 0
    var doubt = ClockDoubt()
  }

  private let state = Mutex(State())

  /// Takes over the rules.
  func set(_ rules: [StoredRetentionRule]) { state.withLock { $0.rules = rules } }

  /// Whether the clock is believed; while it is not, nothing is removed by its age.
  var doubt: ClockDoubt { state.withLock { $0.doubt } }

  /// Takes over whether the clock is believed.
  func note(_ doubt: ClockDoubt) { state.withLock { $0.doubt = doubt } }

  /// A step of pruning was done.
  func stepped(_ outcome: PruneOutcome) {
    let now = ServerClock.now
    state.withLock { state in
      state.doubt = outcome.doubt
      let isRunning = state.started != nil && state.ended == nil
      // What did nothing is no pruning to tell of.
      if !isRunning, outcome.isDone, outcome.removedLogs == 0 { return }
      if !isRunning {
        state.started = now
        (state.removedLogs, state.freedBytes) = (0, 0)
      }
      state.removedLogs += outcome.removedLogs
      state.freedBytes += outcome.freedBytes
      state.ended = outcome.isDone ? now : nil
    }
  }

  /// What the last pruning did, or this one has done so far.
  var pruning: PruningState {
    state.withLock { state in
      var pruning = PruningState()
      pruning.running = state.started != nil && state.ended == nil
      pruning.startedAt = Timestamp(state.started)
      pruning.endedAt = Timestamp(state.ended)
      pruning.removedLogs = state.removedLogs
      pruning.freedBytes = state.freedBytes
      return pruning
    }
  }

  /// The rules as `server info` shows them.
  var described: [String: String] {
    state.withLock { state in
      var texts: [String: String] = [:]
      for rule in state.rules {
        let name = rule.status.name.lowercased().split(separator: "_").joined(separator: "-")
        texts["retention \(name)"] = Self.text(rule)
      }
      return texts
    }
  }

  private static func text(_ rule: StoredRetentionRule) -> String {
    if rule.keepsAll { return "for ever" }
    var parts: [String] = []
    if rule.maximumAgeMs > 0 {
      let days = rule.maximumAgeMs.isMultiple(of: 86_400_000)
      parts.append(
        days
          ? "\(rule.maximumAgeMs / 86_400_000)d"
          : Duration.milliseconds(Int64(clamping: rule.maximumAgeMs)).flagText)
    }
    if rule.maximumBytes > 0 { parts.append(text(bytes: rule.maximumBytes)) }
    return parts.joined(separator: ", ")
  }

  /// As `server retention --size` takes it, in the largest unit that divides it: `10GB`, `1500B`.
  private static func text(bytes: UInt64) -> String {
    let units: [(name: String, bytes: UInt64)] = [
      ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000),
    ]
    for unit in units where bytes.isMultiple(of: unit.bytes) {
      return "\(bytes / unit.bytes)\(unit.name)"
    }
    return "\(bytes)B"
  }
}

import IntegrationModel
import SQLiteDatabase

/// How a batch changes the counts of actions; written once a commit.
struct CountDeltas {
  private struct Delta {
    var logs: Int64 = 0
    var queued: Int64 = 0
    var inProgress: Int64 = 0
    var last = Instant(milliseconds: .min)
    var isTouched = false
  }

  /// By the action's number, which is small.
  private var deltas: [Delta] = []
  private var touched: [Int] = []

  mutating func move(action: Int64, from: Status?, to: Status?, at now: Instant) {
    let number = Int(action)
    while deltas.count <= number { deltas.append(Delta()) }
    if !deltas[number].isTouched {
      deltas[number].isTouched = true
      touched.append(number)
    }
    add(from, -1, to: number)
    add(to, 1, to: number)
    if from == nil { deltas[number].logs += 1 }
    if to == nil { deltas[number].logs -= 1 }
    deltas[number].last = max(deltas[number].last, now)
  }

  private mutating func add(_ status: Status?, _ amount: Int64, to number: Int) {
    switch status {
    case .queued: deltas[number].queued += amount
    case .inProgress: deltas[number].inProgress += amount
    case .completed, .failed, .cancelled, .timedOut, nil: break
    }
  }

  /// Writes what has changed; after an error the owner makes new deltas.
  mutating func flush(to database: SQLiteConnection) throws {
    guard !touched.isEmpty else { return }
    let update = try database.statement(
      """
      INSERT INTO action_counts VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(action) DO UPDATE SET
        logs = logs + ?2, queued = queued + ?3, in_progress = in_progress + ?4,
        last_log = max(last_log, ?5)
      """)
    for number in touched {
      let delta = deltas[number]
      update.bind(1, Int64(number))
      update.bind(2, delta.logs)
      update.bind(3, delta.queued)
      update.bind(4, delta.inProgress)
      update.bind(5, delta.last.milliseconds)
      try update.run()
      deltas[number] = Delta()
    }
    touched.removeAll(keepingCapacity: true)
  }
}

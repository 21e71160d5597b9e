import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// Reads and writes what operators set for actions.
enum ControlRows {
  /// Overrides by the action's number.
  static func overrides(_ database: SQLiteConnection) throws -> [Int64: ActionOverride] {
    let rows = try database.statement(
      """
      SELECT action, maximum_attempts, initial_backoff_ms, maximum_backoff_ms, multiplier,
        queue_timeout_ms, progress_timeout_ms, maximum_in_flight, one_open_per_entity, rate_limit,
        rate_period_ms, can_be_requested FROM action_overrides
      """)
    defer { rows.reset() }
    var found: [Int64: ActionOverride] = [:]
    while try rows.step() {
      var override = ActionOverride()
      if !rows.isNull(1) {
        override.retry = RetryRule(
          maximumAttempts: rows.number(1), initialBackoffMs: rows.number(2),
          maximumBackoffMs: rows.number(3), multiplier: rows.real(4))
      }
      override.queueTimeoutMs = rows.optionalNumber(5)
      override.progressTimeoutMs = rows.optionalNumber(6)
      override.maximumInFlight = rows.optionalNumber(7)
      override.oneOpenPerEntity = rows.optionalInteger(8).map { $0 != 0 }
      if !rows.isNull(9) {
        override.rate = DeliveryRate(limit: rows.number(9), periodMs: rows.number(10))
      }
      override.canBeRequested = rows.optionalInteger(11).map { $0 != 0 }
      found[rows.integer(0)] = override
    }
    return found
  }

  /// Reasons of pauses by the action's number.
  static func pauses(_ database: SQLiteConnection) throws -> [Int64: String] {
    let rows = try database.statement("SELECT action, reason FROM action_pauses")
    defer { rows.reset() }
    var found: [Int64: String] = [:]
    while try rows.step() { found[rows.integer(0)] = rows.text(1) }
    return found
  }

  /// Windows by the action's number.
  static func windows(_ database: SQLiteConnection) throws -> [Int64: DeliveryWindow] {
    let rows = try database.statement("SELECT action, deliveries FROM delivery_windows")
    defer { rows.reset() }
    var found: [Int64: DeliveryWindow] = [:]
    while try rows.step() { found[rows.integer(0)] = DeliveryWindow(text: rows.text(1)) }
    return found
  }

  /// Stores an override; an empty one leaves no row.
  static func save(
    _ override: ActionOverride, of action: Int64, _ database: SQLiteConnection
  ) throws {
    guard !override.isEmpty else {
      return try database.run(
        "DELETE FROM action_overrides WHERE action = ?", .integer(action))
    }
    let save = try database.statement(
      "REPLACE INTO action_overrides VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
    save.bind(1, action)
    save.bind(2, override.retry.map { Int64($0.maximumAttempts) })
    save.bind(3, override.retry.map { Int64($0.initialBackoffMs) })
    save.bind(4, override.retry.map { Int64($0.maximumBackoffMs) })
    if let retry = override.retry { save.bind(5, retry.multiplier) } else { save.bindNull(5) }
    save.bind(6, override.queueTimeoutMs.map(Int64.init))
    save.bind(7, override.progressTimeoutMs.map(Int64.init))
    save.bind(8, override.maximumInFlight.map(Int64.init))
    save.bind(9, override.oneOpenPerEntity.map { $0 ? 1 : 0 })
    save.bind(10, override.rate.map { Int64($0.limit) })
    save.bind(11, override.rate.map { Int64($0.periodMs) })
    save.bind(12, override.canBeRequested.map { $0 ? 1 : 0 })
    try save.run()
  }

  /// Stores why an action is paused; nil: it is not.
  static func save(
    pause reason: String?, of action: Int64, _ database: SQLiteConnection
  ) throws {
    guard let reason else {
      return try database.run("DELETE FROM action_pauses WHERE action = ?", .integer(action))
    }
    try database.run("REPLACE INTO action_pauses VALUES(?, ?)", .integer(action), .text(reason))
  }

  /// Stores which deliveries an action's rate counts; nil: it has none.
  static func save(
    _ window: DeliveryWindow?, of action: Int64, _ database: SQLiteConnection
  ) throws {
    guard let window else {
      return try database.run("DELETE FROM delivery_windows WHERE action = ?", .integer(action))
    }
    let save = try database.statement("REPLACE INTO delivery_windows VALUES(?, ?)")
    save.bind(1, action)
    save.bind(2, window.text)
    try save.run()
  }
}

extension DeliveryWindow {
  /// First, last and count of each group, parted by spaces.
  var text: String {
    groups.map { "\($0.first.milliseconds) \($0.last.milliseconds) \($0.count)" }
      .joined(separator: " ")
  }

  /// Reads the text back.
  init(text: String) {
    let numbers = text.split(separator: " ").compactMap { Int64($0) }
    self.init(
      groups: stride(from: 0, to: numbers.count - 2, by: 3).map { place in
        Group(
          first: Instant(milliseconds: numbers[place]),
          last: Instant(milliseconds: numbers[place + 1]), count: numbers[place + 2])
      })
  }
}

extension SQLiteStatement {
  /// A column as a number of 32 bits.
  fileprivate func number(_ column: Int) -> UInt32 { UInt32(clamping: integer(column)) }

  /// A column as a number of 32 bits; nil for NULL.
  fileprivate func optionalNumber(_ column: Int) -> UInt32? {
    optionalInteger(column).map { UInt32(clamping: $0) }
  }
}

import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Writer {
  // MARK: - What operators set

  /// Pauses an action, or with nil ends its pause.
  func setPause(
    _ integration: IntegrationID, _ type: String, reason: String?
  ) throws -> CommandOutcome {
    var entry = try controlled(type, of: integration)
    let wasPaused = entry.stored.isPaused
    entry.stored.pauseReason = reason
    try ControlRows.save(pause: reason, of: entry.id, database)
    try changed(entry)
    if wasPaused, reason == nil { try offerQueue(ofAction: entry.id) }
    return .action(entry.stored)
  }

  /// Sets rules instead of declared ones, or takes that back; deadlines that are set stay.
  func overridePolicy(_ command: OverridePolicy) throws -> CommandOutcome {
    var entry = try controlled(command.actionType, of: command.integration)
    entry.stored.override = entry.stored.override.changed(
      by: command.change, clearing: command.cleared)
    try ControlRows.save(entry.stored.override, of: entry.id, database)
    try changed(entry)
    if rates.forget(entry.id, unless: entry.policy.rate) {
      try ControlRows.save(nil as DeliveryWindow?, of: entry.id, database)
    }
    // More may go out now than a moment before.
    try offerQueue(ofAction: entry.id)
    return .action(entry.stored)
  }

  private func controlled(_ type: String, of integration: IntegrationID) throws -> ActionEntry {
    guard directory.integrations[integration] != nil else {
      throw StoreFailure.integrationUnknown("\(integration)")
    }
    guard let number = directory.actionIDs.value(type, scope: integration),
      let entry = directory.actions[number]
    else { throw StoreFailure.actionUnknown(type) }
    return entry
  }

  private func changed(_ entry: ActionEntry) throws {
    directory.insert(entry.id, entry.stored)
    emit(.actionsChanged(entry.stored.integration, [entry.stored]))
  }

  // MARK: - Offers

  /// Says that a request of an action can be leased, unless its pause keeps it.
  func offer(_ entry: ActionEntry) {
    guard !entry.stored.isPaused else { return }
    emit(.requestAvailable(entry.stored.integration, actionType: entry.type))
  }

  /// Says that requests of an action can be leased, where some wait.
  func offerQueue(ofAction action: Int64) throws {
    let waiting = try database.rows(
      "SELECT 1 FROM requests WHERE action = ? AND hold = 0 LIMIT 1", .integer(action))
    guard !waiting.isEmpty, let entry = directory.actions[action] else { return }
    offer(entry)
  }

  // MARK: - Rates

  /// How many deliveries an action's rate lets out now.
  func rateRoom(_ entry: ActionEntry, now: Instant) -> Int {
    rates.room(entry.id, entry.policy.rate, at: now)
  }

  /// Counts deliveries of an action that has a rate.
  func delivered(_ count: Int, of action: Int64, now: Instant) throws {
    guard let entry = directory.actions[action] else { return }
    let window = rates.deliver(count, action, entry.policy.rate, at: now)
    try ControlRows.save(window, of: action, database)
  }

  /// More requests wait than an action's rate let out: when it opens, polls are woken.
  func awaitRate(_ action: Int64) {
    guard let entry = directory.actions[action] else { return }
    noteDue(rates.awaitRoom(action, entry.policy.rate))
  }

  /// Offers what rates let out again.
  func offerOpened(now: Instant) throws {
    for action in rates.takeOpened(by: now) { try offerQueue(ofAction: action) }
  }
}

/// What the rates of actions count, and who waits for them; actions without a rate are not here.
///
/// Its truth is the database; after a rollback it is loaded again. Who waits is known by nobody
/// else: after a start of the server each poll asks anew.
struct DeliveryRates {
  private var windows: [Int64: DeliveryWindow]
  /// When the rate of an action opens for which requests wait; a rollback brings it back.
  var awaited: [Int64: Instant] = [:]

  init(_ database: SQLiteConnection) throws {
    windows = try ControlRows.windows(database)
  }

  /// When the next one opens; nil: nothing waits for a rate.
  var nextOpening: Instant? { awaited.values.min() }

  /// How many deliveries may follow now.
  mutating func room(_ action: Int64, _ rate: DeliveryRate, at now: Instant) -> Int {
    windows[action]?.settle(rate, at: now)
    return windows[action]?.room(rate) ?? Int(rate.limit)
  }

  /// Counts deliveries; returns what is to be stored.
  mutating func deliver(
    _ count: Int, _ action: Int64, _ rate: DeliveryRate, at now: Instant
  ) -> DeliveryWindow {
    var window = windows[action] ?? DeliveryWindow()
    window.deliver(count, rate, at: now)
    windows[action] = window
    return window
  }

  /// Requests wait until a rate opens; returns when that is, nil: it is open.
  mutating func awaitRoom(_ action: Int64, _ rate: DeliveryRate) -> Instant? {
    guard let opens = windows[action]?.opens(rate) else { return nil }
    awaited[action] = opens
    return opens
  }

  /// Takes out the actions whose rate has opened.
  mutating func takeOpened(by now: Instant) -> [Int64] {
    guard !awaited.isEmpty else { return [] }
    let opened = awaited.filter { $0.value <= now }.map(\.key)
    for action in opened { awaited[action] = nil }
    return opened.sorted()
  }

  /// The clock was set: what was delivered counts as long as it would have; returns what is to be
  /// stored.
  mutating func move(byMs step: Int64) -> [Int64: DeliveryWindow] {
    windows = windows.mapValues { $0.moved(byMs: step) }
    awaited = awaited.mapValues { $0.adding(milliseconds: step) }
    return windows
  }

  /// Forgets an action that has no rate any more; whether it was known.
  mutating func forget(_ action: Int64, unless rate: DeliveryRate) -> Bool {
    guard rate.isUnlimited else { return false }
    awaited[action] = nil
    return windows.removeValue(forKey: action) != nil
  }
}

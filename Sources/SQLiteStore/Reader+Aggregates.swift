import IntegrationModel
import IntegrationStore
import SQLiteDatabase

extension Reader {
  // MARK: - Counts

  /// A step of a count.
  func aggregate(_ aggregation: LogAggregation) throws -> LogAggregate {
    if aggregation.isKept { return LogAggregate(groups: try keptCounts(aggregation), next: nil) }
    var table = TallyTable(aggregation)
    var walk = try LogWalk(aggregation, reading: table.columns, database)
    let next = try walk.run(try integrations(of: aggregation)) { row, integration in
      table.add(row, integration)
    }
    return LogAggregate(groups: try table.groups(names), next: next)
  }

  private func integrations(of aggregation: LogAggregation) throws -> [IntegrationID] {
    let named = aggregation.selection.integrations
    return named.isEmpty ? try integrationIDs() : named
  }

  /// What is counted with each commit answers without a walk.
  private func keptCounts(_ aggregation: LogAggregation) throws -> [LogGroupKey: LogTally] {
    let selection = aggregation.selection
    let rows = try database.statement(
      """
      SELECT integration, type, queued, in_progress, completed, failed, cancelled, timed_out
      FROM actions JOIN action_counts ON action = actions.id
      """)
    defer { rows.reset() }
    var groups: [LogGroupKey: LogTally] = [:]
    let integrations = Set(selection.integrations)
    let types = Set(selection.actionTypes)
    while try rows.step() {
      let (integration, type) = (rows.integer(0), rows.text(1))
      guard integrations.isEmpty || integrations.contains(integration),
        types.isEmpty || types.contains(type)
      else { continue }
      for status in Status.allCases
      where selection.statuses.isEmpty || selection.statuses.contains(status) {
        let logs = UInt64(clamping: rows.integer(1 + Int(status.rawValue)))
        guard logs > 0 else { continue }
        var key = LogGroupKey()
        if aggregation.dimensions.contains(.status) { key.status = status }
        if aggregation.dimensions.contains(.integration) { key.integration = integration }
        if aggregation.dimensions.contains(.action) { key.actionType = type }
        groups[key, default: LogTally()].add(logs, status)
      }
    }
    return groups
  }

  // MARK: - Failures

  /// A step over failures by the pattern of their messages.
  func failures(_ aggregation: LogAggregation) throws -> FailureAggregate {
    var aggregation = aggregation
    if aggregation.selection.statuses.isEmpty {
      aggregation.selection.statuses = [.failed, .timedOut]
    }
    var walk = try LogWalk(aggregation, reading: [2, 5, 6, 10, 12], database)
    var groups: [FailureKey: FailureTally] = [:]
    let next = try walk.run(try integrations(of: aggregation)) { row, integration in
      let message = row.text(10)
      let key = FailureKey(
        integration: integration, actionType: try names.action(row.integer(2)),
        pattern: MessagePattern.of(message))
      let entity = row.text(6)
      let hash = EntityEntry.hash(entity) ^ UInt64(bitPattern: row.integer(5))
      groups[key, default: FailureTally()].add(
        row.logID(1) ?? .lowest, at: Instant(milliseconds: row.integer(12)),
        entity: entity.isEmpty ? nil : hash, message: message)
    }
    return FailureAggregate(groups: groups, next: next)
  }

  // MARK: - Hours

  /// What actions did hour by hour.
  func hours(_ integrations: [IntegrationID], from hour: Int64) throws -> [ActionHours] {
    let wanted = integrations.isEmpty ? try integrationIDs() : integrations
    let actions = try database.statement(
      """
      SELECT id, type, last_log FROM actions JOIN action_counts ON action = id
      WHERE integration = ? ORDER BY type
      """)
    var found: [ActionHours] = []
    for integration in wanted {
      defer { actions.reset() }
      actions.bind(1, integration)
      while try actions.step() {
        let last = HourOfTime.of(Instant(milliseconds: actions.integer(2)))
        let hours = try hours(
          ofAction: actions.integer(0), from: max(hour, last - ActivityHabit.historyHours))
        if hours.isEmpty { continue }
        found.append(
          ActionHours(integration: integration, actionType: actions.text(1), hours: hours))
      }
    }
    return found
  }

  private func hours(ofAction action: Int64, from hour: Int64) throws -> [HourCounts] {
    let rows = try database.statement(
      """
      SELECT hour, created, completed, failed, cancelled FROM action_hours
      WHERE action = ? AND hour >= ? ORDER BY hour
      """)
    defer { rows.reset() }
    rows.bind(1, action)
    rows.bind(2, hour)
    var found: [HourCounts] = []
    while try rows.step() {
      var counts = HourCounts(hour: rows.integer(0))
      counts.created = UInt64(clamping: rows.integer(1))
      counts.completed = UInt64(clamping: rows.integer(2))
      counts.failed = UInt64(clamping: rows.integer(3))
      counts.cancelled = UInt64(clamping: rows.integer(4))
      found.append(counts)
    }
    return found
  }

  // MARK: - Ids

  /// Ids of logs in a range.
  func logIDs(in range: ClosedRange<LogID>, limit: Int) throws -> [LogID] {
    let find = try database.statement(
      "SELECT id FROM logs WHERE integration = ? AND id BETWEEN ? AND ? ORDER BY id LIMIT ?")
    var found: [LogID] = []
    for integration in try integrationIDs() where found.count < limit {
      defer { find.reset() }
      find.bind(1, integration)
      find.bind(2, range.lowerBound)
      find.bind(3, range.upperBound)
      find.bind(4, Int64(limit - found.count))
      while try find.step() { if let id = find.logID(0) { found.append(id) } }
    }
    return found.sorted()
  }
}

extension LogAggregation {
  /// Whether the counts of actions answer it, exactly and at once.
  var isKept: Bool {
    var rest = selection
    rest.integrations = []
    rest.actionTypes = []
    rest.statuses = []
    return rest == LogSelection() && !wantsDurations
      && dimensions.isSubset(of: [.status, .integration, .action])
  }
}

extension LogTally {
  /// Takes in so many logs of a status.
  mutating func add(_ count: UInt64, _ status: Status) {
    logs += count
    switch status {
    case .queued, .inProgress: open += count
    case .failed, .timedOut: failed += count
    case .completed, .cancelled: break
    }
  }
}

/// Collects tallies by numbers; names come once at the end.
private struct TallyTable {
  private struct Key: Hashable {
    var status: Int64 = 0
    var trigger: Int64 = 0
    var integration: Int64 = 0
    var action: Int64 = 0
    var agent: Int64 = 0
    var entityType: Int64 = 0
    var grain: Int64 = 0
    var label = ""
  }

  private let aggregation: LogAggregation
  private let dimensions: Set<LogDimension>
  private var places: [Key: Int] = [:]
  private var tallies: [LogTally] = []
  /// The key of the row before, which most rows share.
  private var last: (key: Key, place: Int)?

  init(_ aggregation: LogAggregation) {
    self.aggregation = aggregation
    dimensions = aggregation.dimensions
    wants = Wants(dimensions)
  }

  /// The same as `dimensions`, asked once and not for each row.
  private let wants: Wants
  private struct Wants {
    let status, integration, action, agent, trigger, entityType, label, time: Bool

    init(_ dimensions: Set<LogDimension>) {
      status = dimensions.contains(.status)
      integration = dimensions.contains(.integration)
      action = dimensions.contains(.action)
      agent = dimensions.contains(.agent)
      trigger = dimensions.contains(.trigger)
      entityType = dimensions.contains(.entityType)
      label = dimensions.contains(.label)
      time = dimensions.contains(.time)
    }
  }

  /// What it reads, as places in `LogRow.columns`.
  var columns: Set<Int> {
    var columns: Set<Int> = [3]
    if wants.action { columns.insert(2) }
    if wants.agent { columns.insert(4) }
    if wants.entityType { columns.insert(5) }
    if wants.trigger { columns.insert(8) }
    if wants.time { columns.insert(12) }
    if wants.label { columns.insert(26) }
    if aggregation.wantsDurations { columns.formUnion([12, 13, 15]) }
    return columns
  }

  mutating func add(_ row: SQLiteStatement, _ integration: IntegrationID) {
    let number = row.integer(3)
    var key = Key()
    if wants.status { key.status = number }
    if wants.integration { key.integration = integration }
    if wants.action { key.action = row.integer(2) }
    if wants.agent { key.agent = row.integer(4) }
    if wants.entityType { key.entityType = row.integer(5) }
    if wants.trigger { key.trigger = row.integer(8) }
    if wants.time { key.grain = grain(of: row.integer(12)) }
    if wants.label { key.label = Labels.decode(row.blob(26))[aggregation.labelKey] ?? "" }
    let place = place(of: key)
    tallies[place].add(1, Status(rawValue: UInt8(clamping: number)) ?? .failed)
    if aggregation.wantsDurations, let duration = Self.duration(row) {
      tallies[place].durations.add(milliseconds: duration)
    }
  }

  private mutating func place(of key: Key) -> Int {
    if let last, last.key == key { return last.place }
    let place = places[key] ?? tallies.count
    if place == tallies.count {
      places[key] = place
      tallies.append(LogTally())
    }
    last = (key, place)
    return place
  }

  private func grain(of created: Int64) -> Int64 {
    let (span, _) = created.subtractingReportingOverflow(aggregation.timeOrigin.milliseconds)
    let (grain, rest) = span.quotientAndRemainder(dividingBy: max(1, aggregation.grainMs))
    return rest < 0 ? grain - 1 : grain
  }

  /// How long the work took; nil: it has not ended, or never began.
  ///
  /// Work that one report told whole began when its id was made.
  private static func duration(_ row: SQLiteStatement) -> Int64? {
    guard let finished = row.instant(15), let started = row.instant(13) else { return nil }
    let isRequest = row.integer(23) & LogRow.Flag.request != 0
    let began =
      started == finished && !isRequest ? Instant(milliseconds: row.integer(12)) : started
    return max(0, finished.milliseconds(since: began))
  }

  /// The groups by their names.
  func groups(_ names: NameCache) throws -> [LogGroupKey: LogTally] {
    var groups: [LogGroupKey: LogTally] = [:]
    for (key, place) in places {
      var group = LogGroupKey()
      if wants.status { group.status = Status(rawValue: UInt8(clamping: key.status)) }
      if wants.integration { group.integration = key.integration }
      if wants.action { group.actionType = try names.action(key.action) }
      if wants.agent { group.agentID = key.agent == 0 ? "" : try names.agent(key.agent) }
      if wants.trigger { group.trigger = LogTrigger(rawValue: UInt8(clamping: key.trigger)) }
      if wants.entityType {
        group.entityType = key.entityType == 0 ? "" : try names.name(key.entityType)
      }
      if wants.label { group.label = key.label }
      if wants.time { group.grain = key.grain }
      // Actions of several integrations may have one type.
      groups[group, default: LogTally()].add(tallies[place])
    }
    return groups
  }
}

import Glibc
import IntegrationModel
import IntegrationStore
import SQLiteDatabase
import Testing

@testable import SQLiteStore

private enum ServerWall {
  /// The hour now.
  static var hour: Int64 { Int64(time(nil)) / 3_600 }
}

/// Counts, groups and hours against what the logs themselves say.
@Suite struct AggregateTests {
  // MARK: - A store with random logs

  private struct Filled {
    var random: RandomLogs
    let harness: StoreHarness
    let integrations: [IntegrationID]
  }

  /// Some 1,500 logs of two integrations over three days.
  private static func filled(
    _ kind: StoreKind, seed: UInt64, digestLogs: Int = 64
  ) async throws -> Filled {
    var limits = StoreLimits()
    limits.digestLogs = digestLogs
    let harness = try await StoreHarness(kind, limits: limits)
    let other = try await harness.addIntegration("contoso")
    var filled = Filled(
      random: RandomLogs(seed: seed), harness: harness, integrations: [harness.integration, other])
    for _ in 0..<60 { try await write(&filled) }
    // What was submitted before is committed when this is.
    try await harness.expire()
    return filled
  }

  private static func write(_ filled: inout Filled) async throws {
    filled.harness.advance(milliseconds: Int64(filled.random.number(0..<8_000_000)))
    let now = filled.harness.now
    var commands: [(Report, LogID, Status, UInt64, IntegrationID)] = []
    for _ in 0..<filled.random.number(5..<40) {
      let time = now.adding(milliseconds: -Int64(filled.random.number(0..<9_000_000)))
      let id = LogID(
        at: time, random: (filled.random.numbers.next(), filled.random.numbers.next()))
      let integration = filled.random.pick(filled.integrations)
      var report = filled.random.report()
      report.occurredAt = time.adding(milliseconds: Int64(filled.random.number(0..<600_000)))
      let status = filled.random.pick([
        Status.completed, .completed, .failed, .inProgress, .cancelled, .timedOut,
      ])
      commands.append((report, id, status, 1, integration))
      if status == .inProgress, filled.random.isOne(of: 2) {
        commands.append((report, id, filled.random.pick([.completed, .failed]), 2, integration))
      }
    }
    let written = commands
    #expect(
      filled.harness.store.submit { batch in
        for (report, id, status, sequence, integration) in written {
          let command = report.command(
            id, status, sequence: sequence, integration: integration, in: &batch)
          batch.append(report: command, now: now, origin: .none)
        }
      })
    if filled.random.isOne(of: 2) {
      try await filled.harness.request(entity: "\(filled.random.number(0..<200))")
    }
    if filled.random.isOne(of: 4) { _ = try await filled.harness.lease(maximum: 2) }
  }

  private static func everything(_ store: any IntegrationStore) async throws -> [StoredLog] {
    var logs: [StoredLog] = []
    var query = LogQuery(order: .oldestFirst, limit: 1_000)
    repeat {
      let page = try await store.logs(query)
      logs += page.logs
      query.after = page.next
    } while query.after != nil
    return logs
  }

  private static func count(
    _ store: any IntegrationStore, _ aggregation: LogAggregation
  ) async throws -> (groups: [LogGroupKey: LogTally], steps: Int) {
    var aggregation = aggregation
    var groups: [LogGroupKey: LogTally] = [:]
    var steps = 0
    repeat {
      let step = try await store.aggregate(aggregation)
      for (key, tally) in step.groups { groups[key, default: LogTally()].add(tally) }
      #expect(step.next == nil || step.next != aggregation.after, "a step stands still")
      aggregation.after = step.next
      steps += 1
    } while aggregation.after != nil && steps < 100_000
    return (groups, steps)
  }

  private static func expected(
    _ logs: [StoredLog], _ aggregation: LogAggregation
  ) -> [LogGroupKey: LogTally] {
    var groups: [LogGroupKey: LogTally] = [:]
    for log in logs where aggregation.selection.wants(log) {
      var key = LogGroupKey()
      for dimension in aggregation.dimensions {
        switch dimension {
        case .status: key.status = log.status
        case .integration: key.integration = log.integration
        case .action: key.actionType = log.actionType
        case .agent: key.agentID = log.agentID
        case .trigger: key.trigger = log.trigger
        case .entityType: key.entityType = log.entity.type
        case .label: key.label = log.labels[aggregation.labelKey] ?? ""
        case .time:
          let span = log.createdAt.milliseconds(since: aggregation.timeOrigin)
          key.grain = Int64((Double(span) / Double(aggregation.grainMs)).rounded(.down))
        }
      }
      var tally = LogTally()
      tally.logs = 1
      switch log.status {
      case .queued, .inProgress: tally.open = 1
      case .failed, .timedOut: tally.failed = 1
      case .completed, .cancelled: break
      }
      if aggregation.wantsDurations, let end = log.finishedAt, let start = log.startedAt {
        let began = start == end && log.trigger == .event ? log.createdAt : start
        tally.durations.add(milliseconds: end.milliseconds(since: began))
      }
      groups[key, default: LogTally()].add(tally)
    }
    return groups
  }

  // MARK: - Counts

  @Test("Any count is what the logs say, in steps of any size", arguments: [1, 2, 3] as [UInt64])
  func counts(seed: UInt64) async throws {
    var filled = try await Self.filled(.sqlite, seed: seed)
    let logs = try await Self.everything(filled.harness.store)
    #expect(logs.count > 800)
    for _ in 0..<150 {
      var selection = filled.random.selection(filled.integrations)
      if filled.random.isOne(of: 3) {
        selection.since = filled.random.pick(logs).id.time
        if filled.random.isOne(of: 2) {
          selection.until = selection.since?.adding(milliseconds: 90_000_000)
        }
      }
      var dimensions: Set<LogDimension> = []
      for _ in 0..<filled.random.number(0..<4) {
        dimensions.insert(filled.random.pick(LogDimension.allCases))
      }
      var aggregation = LogAggregation(selection, by: dimensions)
      aggregation.labelKey = filled.random.pick(["tenant", "é", "nothing"])
      aggregation.grainMs = filled.random.pick([900_000, 3_600_000, 7])
      aggregation.timeOrigin = filled.random.pick([.epoch, filled.harness.now])
      aggregation.wantsDurations = filled.random.isOne(of: 2)
      aggregation.maximumRows = filled.random.pick([1, 50, 4_000])
      let (found, _) = try await Self.count(filled.harness.store, aggregation)
      #expect(found == Self.expected(logs, aggregation), "\(aggregation)")
    }
  }

  @Test("Counts by status, integration and action need no walk", arguments: StoreKind.all)
  func keptCounts(kind: StoreKind) async throws {
    let filled = try await Self.filled(kind, seed: 9)
    let logs = try await Self.everything(filled.harness.store)
    var selections = [LogSelection(), LogSelection(), LogSelection(), LogSelection()]
    selections[1].integrations = [filled.integrations[1]]
    selections[2].actionTypes = ["watch_folder"]
    selections[3].statuses = [.failed, .queued]
    for selection in selections {
      for dimensions in [[], [.status], [.integration, .action, .status]] as [Set<LogDimension>] {
        var aggregation = LogAggregation(selection, by: dimensions)
        aggregation.maximumRows = 1
        let (found, steps) = try await Self.count(filled.harness.store, aggregation)
        #expect(found == Self.expected(logs, aggregation), "\(aggregation)")
        #expect(steps == 1)
      }
    }
  }

  @Test("A step visits no more rows than it may", arguments: StoreKind.all)
  func steps(kind: StoreKind) async throws {
    let filled = try await Self.filled(kind, seed: 4)
    var aggregation = LogAggregation(LogSelection(), by: [.agent])
    aggregation.maximumRows = 100
    let (groups, steps) = try await Self.count(filled.harness.store, aggregation)
    let total = groups.values.reduce(0) { $0 + $1.logs }
    #expect(steps >= Int(total) / 110 && steps > 5)
  }

  // MARK: - Failures

  @Test("Failures are grouped by action and pattern", arguments: [1, 7] as [UInt64])
  func failures(seed: UInt64) async throws {
    var filled = try await Self.filled(.sqlite, seed: seed)
    let logs = try await Self.everything(filled.harness.store)
    for round in 0..<40 {
      var aggregation = LogAggregation(filled.random.selection(filled.integrations))
      if round == 0 { aggregation.selection = LogSelection() }
      aggregation.maximumRows = filled.random.pick([1, 30, 1_500])
      var selection = aggregation.selection
      if selection.statuses.isEmpty { selection.statuses = [.failed, .timedOut] }
      var expected: [FailureKey: FailureTally] = [:]
      for log in logs where selection.wants(log) {
        let key = FailureKey(
          integration: log.integration, actionType: log.actionType,
          pattern: MessagePattern.of(log.message))
        expected[key, default: FailureTally()].add(
          log.id, at: log.createdAt, entity: nil, message: log.message)
      }
      var found: [FailureKey: FailureTally] = [:]
      repeat {
        let step = try await filled.harness.store.failures(aggregation)
        for (key, tally) in step.groups { found[key, default: FailureTally()].add(tally) }
        aggregation.after = step.next
      } while aggregation.after != nil
      for key in found.keys { found[key]?.entities = [] }
      #expect(found == expected, "\(aggregation.selection)")
    }
  }

  @Test("A group says how many records it is about, and names the newest logs")
  func failureGroup() async throws {
    let harness = try await StoreHarness(.sqlite)
    var ids: [LogID] = []
    for number in 0..<6 {
      harness.advance(milliseconds: 10)
      let id = harness.newID()
      var report = Report(message: "Order \(number) not found")
      report.entity.id = "\(number % 4)"
      try await harness.report(id, .failed, sequence: 1, report)
      ids.append(id)
    }
    let groups = try await harness.store.failures(LogAggregation()).groups
    let key = FailureKey(
      integration: harness.integration, actionType: "export_order", pattern: "Order … not found")
    let tally = try #require(groups[key])
    #expect(groups.count == 1)
    #expect(tally.logs == 6 && tally.entities.count == 4)
    #expect(tally.newest == [ids[5], ids[4], ids[3]])
    #expect(tally.sample == "Order 5 not found")
    #expect(tally.lastAt.milliseconds(since: tally.firstAt) == 50)
  }

  // MARK: - Hours

  @Test("Hours hold what was created and what ended in them", arguments: [5, 6] as [UInt64])
  func hours(seed: UInt64) async throws {
    let filled = try await Self.filled(.sqlite, seed: seed)
    let logs = try await Self.everything(filled.harness.store)
    struct Key: Hashable {
      let integration: IntegrationID
      let action: String
      let hour: Int64
    }
    var expected: [Key: HourCounts] = [:]
    func change(_ log: StoredLog, _ at: Instant, _ change: (inout HourCounts) -> Void) {
      let hour = HourOfTime.of(at)
      let key = Key(integration: log.integration, action: log.actionType, hour: hour)
      change(&expected[key, default: HourCounts(hour: hour)])
    }
    for log in logs {
      change(log, log.createdAt) { $0.created += 1 }
      guard let end = log.finishedAt else { continue }
      change(log, end) { counts in
        switch log.status {
        case .completed: counts.completed += 1
        case .failed, .timedOut: counts.failed += 1
        case .cancelled: counts.cancelled += 1
        case .queued, .inProgress: break
        }
      }
    }
    var found: [Key: HourCounts] = [:]
    for action in try await filled.harness.store.hours([], from: 0) {
      #expect(action.hours.map(\.hour) == action.hours.map(\.hour).sorted())
      for hour in action.hours {
        found[
          Key(integration: action.integration, action: action.actionType, hour: hour.hour)] = hour
      }
    }
    #expect(found.filter { expected[$0.key] != $0.value } == [:])
    #expect(expected.filter { found[$0.key] != $0.value } == [:])
  }

  @Test("A database of an older program gets its counts from its logs")
  func oldDatabase() async throws {
    let filled = try await Self.filled(.sqlite, seed: 8)
    var byStatus = LogAggregation(LogSelection(), by: [.status, .action, .integration])
    byStatus.maximumRows = 1
    let counts = try await Self.count(filled.harness.store, byStatus).groups
    await filled.harness.store.close()
    let database = try SQLiteConnection(
      path: filled.harness.scratch.file("data/integrations.db"))
    let rows = "SELECT * FROM action_hours ORDER BY action, hour"
    let hours = try database.rows(rows)
    try SchemaHistory.revert(database, to: 2)
    // The wall's clock decides what is kept; so the logs are brought near to it.
    let shift = Int64(ServerWall.hour - 24 - (hours.last?[1].integer ?? 0))
    try database.execute(
      """
      UPDATE logs SET created = created + \(shift * HourOfTime.milliseconds),
        finished = finished + \(shift * HourOfTime.milliseconds)
      """)
    try Schema.migrate(database, path: "")
    #expect(
      try database.rows(rows)
        == hours.map { row in
          var row = row
          row[1] = .integer((row[1].integer ?? 0) + shift)
          return row
        })
    let store = try SQLiteStore(directory: filled.harness.scratch.file("data"))
    store.start(observer: CommitRecorder())
    #expect(try await Self.count(store, byStatus).groups == counts)
    await store.close()
  }

  @Test("Hours older than 35 days are dropped, and asked for no further back than two weeks")
  func oldHours() async throws {
    let harness = try await StoreHarness(.sqlite)
    for _ in 0..<50 {
      harness.advance(milliseconds: 24 * HourOfTime.milliseconds)
      try await harness.report(harness.newID(), .completed, sequence: 1)
    }
    let hours = try #require(try await harness.store.hours([], from: 0).first?.hours)
    #expect(hours.count == 15)
    #expect(try await harness.store.hours([], from: HourOfTime.of(harness.now) + 1) == [])
    #expect(hours.allSatisfy { $0.created == 1 && $0.completed == 1 })
  }

  // MARK: - Chains and ids

  @Test("A chain holds all attempts at the same work, whichever of them is asked for")
  func chain() async throws {
    let harness = try await StoreHarness(.sqlite)
    var ids = [try await harness.request(entity: "7").log.id]
    for attempt in 0..<3 {
      let leased = try await harness.leaseOne()
      var report = Report(message: "attempt \(attempt)")
      report.token = leased.token.description
      try await harness.report(leased.logID, .failed, sequence: 1, report)
      harness.advance(milliseconds: 5)
      let outcome = try await harness.perform(
        .retryLog(logID: leased.logID, newID: harness.newID(), principal: "operator:local"))
      guard case .requested(let log, _) = outcome else { throw Unexpected(outcome) }
      ids.append(log.id)
    }
    for id in ids { #expect(try await harness.detail(id).chain.map(\.id) == ids) }
    let alone = try await harness.request(entity: "8").log.id
    #expect(try await harness.detail(alone).chain.map(\.id) == [alone])
  }

  @Test("Logs are found by the beginning of their ids", arguments: [8, 9, 13, 18, 19, 23, 35, 36])
  func prefixes(length: Int) async throws {
    let harness = try await StoreHarness(.sqlite)
    var ids: [LogID] = []
    for _ in 0..<20 {
      harness.advance(milliseconds: 40_000)
      let id = harness.newID()
      try await harness.report(id, .completed, sequence: 1)
      ids.append(id)
    }
    for id in ids {
      let prefix = String("\(id)".prefix(length))
      let range = try #require(LogID.range(ofPrefix: prefix.uppercased()))
      let found = try await harness.store.logIDs(in: range, limit: 100)
      #expect(found == ids.filter { "\($0)".hasPrefix(prefix) })
      let plain = prefix.filter { $0 != "-" }
      #expect(LogID.range(ofPrefix: plain) == LogID.range(ofPrefix: prefix))
    }
    #expect(try await harness.store.logIDs(in: .lowest ... .highest, limit: 3).count == 3)
  }

  @Test(
    "No beginnings of ids", arguments: ["", "1234567", "0193g000", "01938c3e_7a41", "01938c3e-7-"])
  func noPrefixes(text: String) { #expect(LogID.range(ofPrefix: text) == nil) }
}

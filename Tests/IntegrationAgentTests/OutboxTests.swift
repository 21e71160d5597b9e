import Foundation
import IntegrationAPI
import SQLiteDatabase
import TestSupport
import Testing

@testable import IntegrationAgent

extension ScratchDirectory {
  /// A copy of the outbox and its log as they stand on disk now: what a killed process leaves.
  func copyOfOutbox() throws -> String {
    let copy = file("copy")
    for suffix in ["", "-wal"] {
      try FileManager.default.copyItem(atPath: file("outbox") + suffix, toPath: copy + suffix)
    }
    return copy
  }
}

@Suite struct OutboxTests {
  let directory: ScratchDirectory

  init() throws {
    directory = try ScratchDirectory()
  }

  private func open(
    _ limits: OutboxLimits = OutboxLimits(), instance: String = "one", wait: Int32 = 3000
  ) throws -> Outbox {
    try Outbox(
      path: directory.file("outbox"), limits: limits, instanceID: instance,
      busyMilliseconds: wait)
  }

  @Test("A process that ends a little later than its successor starts is waited for")
  func handOver() async throws {
    let before = try open()
    let successor = Task.detached { [directory] in
      try Outbox(path: directory.file("outbox"), limits: OutboxLimits(), instanceID: "two")
    }
    try await before.append(report("a", 1), place: .first)
    before.close()
    let after = try await successor.value
    #expect(try await all(after) == ["a1"])
  }

  private func report(_ log: String, _ sequence: UInt64, token: String = "") -> LogReport {
    var report = LogReport()
    report.logID = log
    report.sequence = sequence
    report.leaseToken = token
    report.statusMessage = "Report \(sequence) of \(log)."
    return report
  }

  private func all(_ outbox: Outbox) async throws -> [String] {
    try await outbox.next(maximumReports: 1000, maximumBytes: 1 << 20).map {
      "\($0.report.logID)\($0.report.sequence)"
    }
  }

  @Test("Reports come out in the order they went in, one of each log at a time")
  func order() async throws {
    let outbox = try open()
    for (log, sequence) in [("b", 1), ("a", 1), ("b", 2), ("c", 1), ("a", 2)] {
      try await outbox.append(report(log, UInt64(sequence)), place: .middle)
    }
    #expect(try await all(outbox) == ["b1", "a1", "c1"])
    let first = try await outbox.next(maximumReports: 2, maximumBytes: 1 << 20)
    #expect(first.count == 2)
    try await outbox.settle(first.map(\.number))
    #expect(try await all(outbox) == ["b2", "c1", "a2"])
    #expect(outbox.counts.reports == 3)
  }

  @Test("A batch is bounded by bytes, and one report always goes")
  func batchBytes() async throws {
    let outbox = try open()
    for log in ["a", "b", "c"] { try await outbox.append(report(log, 1), place: .first) }
    #expect(try await outbox.next(maximumReports: 10, maximumBytes: 1).count == 1)
  }

  @Test("What was appended is there after a restart, with the attempts that have no end")
  func restart() async throws {
    let outbox = try open()
    try await outbox.append(report("a", 1), place: .first)
    try await outbox.append(report("b", 1, token: "t"), place: .first)
    try await outbox.append(report("c", 1), place: .first)
    try await outbox.append(report("c", 2), place: .last)
    try await outbox.append(report("a", 2), place: .middle)
    outbox.close()
    let again = try open(instance: "two")
    #expect(try await all(again) == ["a1", "b1", "c1"])
    #expect(again.counts == Outbox.Counts(reports: 5, bytes: again.counts.bytes, openLogs: 2))
    #expect(again.counts.bytes > 0)
    let predecessor = try await again.predecessor()
    #expect(predecessor.lastReport == 5)
    #expect(predecessor.leaseHolders == ["one"])
    #expect(
      Set(predecessor.openLogs.map { "\($0.logID)\($0.sequence)\($0.leaseToken)" })
        == ["a2", "b1t"])
    try await again.forgetLeases(of: .earlierProcesses)
    #expect(try await again.predecessor().leaseHolders.isEmpty)
    #expect(again.counts.openLogs == 1)
  }

  @Test("Only the agent's own user can read what waits", arguments: ["outbox", "outbox-wal"])
  func fileMode(name: String) async throws {
    let outbox = try open()
    try await outbox.append(report("a", 1), place: .first)
    let attributes = try FileManager.default.attributesOfItem(atPath: directory.file(name))
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    outbox.close()
  }

  @Test("A closed outbox takes nothing")
  func closed() async throws {
    let outbox = try open()
    outbox.close()
    await #expect(throws: AgentError.self) {
      try await outbox.append(report("a", 1), place: .first)
    }
  }

  @Test("The limit in reports leaves every attempt the place for its end")
  func fullOfReports() async throws {
    let limits = OutboxLimits(maximumReports: 4, maximumBytes: 1 << 20)
    let outbox = try open(limits)
    try await outbox.append(report("a", 1), place: .first)
    try await outbox.append(report("b", 1), place: .first)
    await #expect(
      throws: AgentError.outboxFull(reports: 2, bytes: outbox.counts.bytes, limits: limits)
    ) {
      try await outbox.append(report("a", 2), place: .middle)
    }
    await #expect(throws: AgentError.self) {
      try await outbox.append(report("c", 1), place: .first)
    }
    try await outbox.append(report("a", 3), place: .last)
    try await outbox.append(report("b", 2), place: .last)
    #expect(outbox.counts.reports == 4)
    #expect(outbox.counts.openLogs == 0)
  }

  @Test("The limit in bytes refuses progress and beginnings, not ends")
  func fullOfBytes() async throws {
    let outbox = try open(OutboxLimits(maximumReports: 100, maximumBytes: 60))
    try await outbox.append(report("a", 1), place: .first)
    await #expect(throws: AgentError.self) {
      try await outbox.append(report("a", 2), place: .middle)
      try await outbox.append(report("a", 3), place: .middle)
    }
    try await outbox.append(report("a", 4), place: .last)
  }

  @Test("A lost delivery takes its own reports away and leaves those of a newer one")
  func forgetDelivery() async throws {
    let outbox = try open()
    try await outbox.append(report("a", 1, token: "old"), place: .first)
    try await outbox.append(report("b", 1), place: .first)
    try await outbox.append(report("a", 1, token: "new"), place: .first)
    try await outbox.forgetLog("a", leaseToken: "old")
    let left = try await outbox.next(maximumReports: 10, maximumBytes: 1 << 20).map(\.report)
    #expect(left.map(\.leaseToken) == ["", "new"])
    #expect(outbox.counts.openLogs == 2)
  }

  @Test("What many tasks append at once is all there, each log in its order")
  func concurrentAppends() async throws {
    let outbox = try open()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for log in 1...8 {
        group.addTask {
          for sequence in 1...25 {
            try await outbox.append(report("\(log)-", UInt64(sequence)), place: .middle)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(outbox.counts.reports == 200)
    var seen: [String: [UInt64]] = [:]
    while case let batch = try await outbox.next(maximumReports: 100, maximumBytes: 1 << 20),
      !batch.isEmpty
    {
      for entry in batch { seen[entry.report.logID, default: []].append(entry.report.sequence) }
      try await outbox.settle(batch.map(\.number))
    }
    #expect(seen.count == 8)
    #expect(seen.values.allSatisfy { $0 == Array(1...25) })
    #expect(outbox.counts == Outbox.Counts())
  }

  @Test("A second user of the file, a newer schema, and a file that is none are refused in words")
  func unusable() throws {
    let outbox = try open()
    let busy = #expect(throws: AgentError.self) { try open(instance: "two", wait: 20) }
    #expect(busy?.description.contains("another process uses it") == true)
    outbox.close()

    try SQLiteConnection(path: directory.file("outbox")).execute("PRAGMA user_version = 99")
    let refused = #expect(throws: AgentError.self) {
      try Outbox(path: directory.file("outbox"), limits: OutboxLimits(), instanceID: "x")
    }
    #expect(refused?.description.contains("newer program") == true)

    let text = try directory.write(String(repeating: "no database ", count: 100), to: "text")
    #expect(throws: AgentError.self) {
      try Outbox(path: text, limits: OutboxLimits(), instanceID: "x")
    }
    let missing = #expect(throws: AgentError.self) {
      try Outbox(path: "/nowhere/outbox", limits: OutboxLimits(), instanceID: "x")
    }
    #expect(missing?.description.contains("/nowhere/outbox") == true)
  }
}

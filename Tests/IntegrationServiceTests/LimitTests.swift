import IntegrationAPI
import Synchronization
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Limits that let callers wait", .limit(minutes: 1))
struct LimitTests {
  private func list(_ harness: Harness) -> Task<Int, any Error> {
    Task { try await harness.operators.listLogs(ListLogsRequest()).logs.count }
  }

  /// Keeps a desk's only place until what it returns is resumed.
  private func takeOnlyPlace(of desk: ReadDesk) async throws -> CheckedContinuation<Void, Never> {
    let gate = Mutex<CheckedContinuation<Void, Never>?>(nil)
    desk.run(.init(connectionBits: 1, callBits: 1), of: "operator:local") {
      await withCheckedContinuation { continuation in gate.withLock { $0 = continuation } }
    }
    return try await eventually("the only place is taken") { gate.withLock { $0 } }
  }

  @Test("As many reads of one principal are at work as the limit says, the next one waits")
  func reads() async throws {
    var limits = ServiceLimits()
    limits.maximumReads = 1
    let harness = try await Harness(limits: limits)
    let desk = harness.service.reads
    let held = try await takeOnlyPlace(of: desk)
    let listing = list(harness)
    try await eventually("the list waits") { desk.waitingCount == 1 ? true : nil }
    held.resume()
    #expect(try await listing.value == 0)
  }

  @Test("More reads than may wait are refused, by their number and by their bytes")
  func waitingReads() async throws {
    var limits = ServiceLimits()
    limits.maximumReads = 1
    limits.maximumWaitingReads = 2
    limits.maximumWaitingReadBytes = 2_000
    let harness = try await Harness(limits: limits)
    let desk = harness.service.reads
    let held = try await takeOnlyPlace(of: desk)
    let first = list(harness)
    try await eventually("the first list waits") { desk.waitingCount == 1 ? true : nil }
    var long = ListLogsRequest()
    long.filter = LogFilter()
    long.filter?.text = String(repeating: "x", count: 2_001)
    let wide = try await failure { try await harness.operators.listLogs(long) }
    #expect(wide.reason == "TOO_MANY_READS" && wide.code == .resourceExhausted)
    let second = list(harness)
    try await eventually("the second list waits") { desk.waitingCount == 2 ? true : nil }
    let third = try await failure {
      try await harness.operators.listLogs(ListLogsRequest())
    }
    #expect(third.reason == "TOO_MANY_READS" && third.message.contains("--maximum-waiting-reads"))
    held.resume()
    #expect(try await first.value == 0)
    #expect(try await second.value == 0)
    // What has waited counts no more.
    long.filter?.text = "x"
    #expect(try await harness.operators.listLogs(long).logs.isEmpty)
  }

  @Test("As many long answers are on their way as the limit says, the next one waits")
  func longAnswers() async throws {
    var limits = ServiceLimits()
    limits.maximumLongAnswers = 1
    let harness = try await Harness(limits: limits)
    let pages = harness.service.pages
    var place: PagePlaces.Place? = await pages.take()
    let listing = list(harness)
    try await eventually("the list waits") { pages.waitingCount == 1 ? true : nil }
    withExtendedLifetime(place) {}
    place = nil
    #expect(try await listing.value == 0)
  }

  @Test("Each limit is told to operators by its flag's name")
  func described() async throws {
    let shown = ServiceLimits().described
    #expect(shown["maximum-reads"] == "16")
    #expect(shown["maximum-long-answers"] == "4")
    #expect(shown["maximum-tail-bytes"] == "67108864")
  }
}

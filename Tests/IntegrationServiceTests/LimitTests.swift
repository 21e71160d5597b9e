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

  @Test("As many reads of one principal are at work as the limit says, the next one waits")
  func reads() async throws {
    var limits = ServiceLimits()
    limits.maximumReads = 1
    let harness = try await Harness(limits: limits)
    let desk = harness.service.reads
    let gate = Mutex<CheckedContinuation<Void, Never>?>(nil)
    desk.run(.init(connectionBits: 1, callBits: 1), of: "operator:local") {
      await withCheckedContinuation { continuation in gate.withLock { $0 = continuation } }
    }
    let held = try await eventually("the only place is taken") { gate.withLock { $0 } }
    let listing = list(harness)
    try await eventually("the list waits") { desk.waitingCount == 1 ? true : nil }
    held.resume()
    #expect(try await listing.value == 0)
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

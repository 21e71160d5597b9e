import IntegrationModel
import IntegrationStore
import Testing

@Suite struct LeaseTests {
  @Test("A request is leased, accepted by a report, and completed", arguments: StoreKind.all)
  func happyPath(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let request = try await harness.request(key: "k-1", input: "{\"a\":1}")
    #expect(request.log.status == .queued)
    let events = harness.recorder.takeEvents()
    #expect(
      events.contains { if case .requestAvailable(_, "export_order") = $0 { true } else { false } })

    let leased = try await harness.leaseOne()
    #expect(leased.logID == request.log.id)
    #expect(leased.delivery == 1)
    #expect(leased.attempt == 1)
    #expect(leased.input == "{\"a\":1}")
    #expect(leased.idempotencyKey == "k-1")
    #expect(leased.requestedBy == "operator:local")
    #expect(try await harness.lease().requests.isEmpty)

    let token = "\(leased.token)"
    try await harness.report(leased.logID, .inProgress, sequence: 1, Report(token: token))
    let held = try await harness.detail(leased.logID)
    #expect(held.request?.isAccepted == true)
    #expect(held.request?.holder == "agent-1")
    try await harness.report(leased.logID, .completed, sequence: 2, Report(token: token))

    let detail = try await harness.detail(leased.logID)
    #expect(detail.log.status == .completed)
    #expect(detail.timeline.map(\.cause) == [.request, .leased, .report, .report])
    #expect(detail.request?.holder == "")
  }
}

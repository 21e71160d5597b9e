import Dispatch
import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Leases")
struct LeaseTests {
  /// The default limits but one, which a test can wait for.
  static func limits(_ change: (inout ModelLimits) -> Void) -> ModelLimits {
    var limits = ModelLimits()
    change(&limits)
    return limits
  }

  @Test("A delivery that nobody answers returns to the queue after the accept timeout")
  func notAccepted() async throws {
    let harness = try await Harness(model: Self.limits { $0.acceptTimeoutMs = 100 })
    let agent = try await harness.agent()
    let queued = try await harness.request()
    let lost = try #require(try await agent.poll().requests.first)
    let again = try #require(try await agent.poll(waitMs: 10_000).requests.first)
    #expect(again.logID == lost.logID && again.leaseToken != lost.leaseToken)
    let causes = try await harness.log(queued.id).timeline.map(\.cause)
    #expect(causes.contains(.notAccepted))
  }

  @Test("A report with an older token is refused, and the newer holder goes on")
  func stale() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    try await harness.request()
    let old = try #require(try await agent.poll().requests.first)
    _ = try await agent.heartbeat(.stopped)
    let new = try #require(try await agent.poll(waitMs: 10_000).requests.first)
    let refused = try await failure { try await agent.report(on: old, .inProgress) }
    #expect(refused.code == .aborted && refused.reason == "LEASE_LOST")
    #expect(try await agent.report(on: new, .completed).status == .completed)
  }

  @Test("A heartbeat accepts and renews what it names, and says what is lost")
  func renews() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    try await harness.request()
    let held = try #require(try await agent.poll().requests.first)
    var stranger = HeldLease()
    stranger.logID = IntegrationService.newLogID().description
    stranger.leaseToken = held.leaseToken
    let reply = try await agent.heartbeat(leases: [HeldLease(held), stranger])
    #expect(reply.lostLeases == [stranger.logID])
    #expect(reply.nextHeartbeatMs == 10_000 && reply.serverTime != nil)
    let requests = try await harness.operators.listRequests(ListRequestsRequest()).requests
    #expect(requests.map(\.holder) == ["agent-1"] && requests.map(\.accepted) == [true])
  }

  @Test("A lease that runs out is delivered again, one delivery higher, no attempt spent")
  func expires() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    try await harness.request()
    let held = try #require(try await agent.poll(leaseMs: 1_000).requests.first)
    _ = try await agent.report(on: held, .inProgress)
    let again = try #require(try await agent.poll(waitMs: 20_000).requests.first)
    #expect(again.logID == held.logID && again.delivery == 2 && again.attempt == 1)
    #expect(try await harness.log(held.logID).timeline.map(\.cause).contains(.leaseExpired))
  }

  @Test("An agent that says goodbye gives its leases back at once")
  func stopped() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let other = try await harness.agent("agent-2")
    try await harness.request()
    let held = try #require(try await agent.poll().requests.first)
    _ = try await agent.report(on: held, .inProgress)
    async let waiting = other.poll(waitMs: 60_000)
    try await harness.untilPollsWait(1)
    _ = try await agent.heartbeat(.stopped)
    #expect(try await waiting.requests.map(\.logID) == [held.logID])
    #expect(try await harness.log(held.logID).timeline.map(\.cause).contains(.agentStopped))
  }

  @Test("A connection that is gone longer than the grace time gives its leases back")
  func connectionLost() async throws {
    let harness = try await Harness(model: Self.limits { $0.connectionGraceMs = 100 })
    let agent = try await harness.agent()
    let other = try await harness.agent("agent-2")
    try await harness.request()
    let held = try #require(try await agent.poll().requests.first)
    _ = try await agent.report(on: held, .inProgress)
    async let waiting = other.poll(waitMs: 60_000)
    try await harness.untilPollsWait(1)
    agent.channel.close()
    #expect(try await waiting.requests.map(\.logID) == [held.logID])
    #expect(try await harness.log(held.logID).timeline.map(\.cause).contains(.connectionLost))
  }

  @Test("A connection that ends while the disk is full gives its leases back all the same")
  func connectionLostOnFullDisk() async throws {
    let harness = try await Harness(
      model: Self.limits { $0.connectionGraceMs = 100 }, maximumDatabaseBytes: 600_000)
    let agent = try await harness.agent()
    try await harness.request()
    let held = try #require(try await agent.poll().requests.first)
    _ = try await agent.report(on: held, .inProgress)
    let session = try #require(
      harness.service.sessions.withLock { sessions in
        defer { sessions = [:] }
        return sessions.values.first
      })
    let other = try await harness.agent("agent-2")
    try await harness.withoutSpace { harness.service.sessionClosed(session) }
    #expect(try await other.poll(waitMs: 20_000).requests.map(\.logID) == [held.logID])
  }

  @Test("What is due while the disk is full is handled when there is space")
  func dueOnFullDisk() async throws {
    let harness = try await Harness(
      model: Self.limits { $0.acceptTimeoutMs = 2_000 }, maximumDatabaseBytes: 600_000)
    let agent = try await harness.agent()
    try await harness.request()
    let lost = try #require(try await agent.poll().requests.first)
    try await harness.withoutSpace {
      harness.service.storeDueMs.withLock { $0 = 0 }
      harness.service.expireDue()
    }
    #expect(try await agent.poll(waitMs: 20_000).requests.map(\.logID) == [lost.logID])
  }

  @Test("An agent that comes back within the grace time keeps its leases")
  func connectionRestored() async throws {
    let harness = try await Harness(model: Self.limits { $0.connectionGraceMs = 1_000 })
    let agent = try await harness.agent()
    try await harness.request()
    let held = try #require(try await agent.poll().requests.first)
    _ = try await agent.report(on: held, .inProgress)
    agent.channel.close()
    try await eventually("the connection is gone") {
      harness.service.agents.find(integration: 1, id: "agent-1")?.isLost.load(ordering: .relaxed)
        == true ? true : nil
    }
    let back = TestAgent(id: "agent-1", channel: try harness.connection())
    _ = try await back.heartbeat(leases: [HeldLease(held)])
    #expect(try await back.poll(waitMs: 1_500).requests.isEmpty)
    #expect(try await back.report(on: held, .completed, sequence: 2).status == .completed)
  }

  @Test("An agent that comes back while the disk is full keeps its leases all the same")
  func connectionRestoredOnFullDisk() async throws {
    let harness = try await Harness(
      model: Self.limits { $0.connectionGraceMs = 1_000 }, maximumDatabaseBytes: 600_000)
    let agent = try await harness.agent()
    try await harness.request()
    let held = try #require(try await agent.poll().requests.first)
    _ = try await agent.report(on: held, .inProgress)
    let record = try #require(harness.service.agents.find(integration: 1, id: "agent-1"))
    agent.channel.close()
    try await eventually("the connection is gone") {
      record.isLost.load(ordering: .relaxed) ? true : nil
    }
    record.connections.add(1, ordering: .sequentiallyConsistent)
    try await harness.withoutSpace { harness.service.agentConnected(record) }
    harness.service.tellLossesAgain()
    let other = try await harness.agent("agent-2")
    #expect(try await other.poll(waitMs: 1_200).requests.isEmpty)
    #expect(!(try await harness.log(held.logID).timeline.map(\.cause).contains(.connectionLost)))
  }

  @Test("A request that is lost too often fails with the cause")
  func deliveriesSpent() async throws {
    let harness = try await Harness(model: Self.limits { $0.maximumDeliveries = 2 })
    let agent = try await harness.agent()
    let queued = try await harness.request()
    for delivery in 1...2 as ClosedRange<UInt32> {
      let held = try #require(try await agent.poll(waitMs: 10_000).requests.first)
      #expect(held.delivery == delivery)
      _ = try await agent.report(on: held, .inProgress)
      _ = try await agent.heartbeat(.stopped)
    }
    let ended = try await eventually("the request has failed") {
      let log = try await harness.log(queued.id).log
      return log?.status == .failed ? log : nil
    }
    #expect(!ended.statusMessage.isEmpty)
    #expect(try await harness.log(queued.id).timeline.last?.cause == .deliveriesSpent)
  }

  @Test("A request that waits too long times out, and so does work without a sign of life")
  func timeouts() async throws {
    var action = ActionDefinition.exportQuote
    action.queueTimeoutMs = 100
    action.progressTimeoutMs = 100
    let harness = try await Harness()
    let agent = try await harness.agent(declaring: [action])
    let queued = try await harness.request()
    let own = try await agent.report { $0.status = .inProgress }
    for (id, cause) in [(queued.id, TimelineCause.queueTimeout), (own.logID, .progressTimeout)] {
      try await eventually("\(cause) ends the log") {
        let shown = try await harness.log(id)
        return shown.log?.status == .timedOut && shown.timeline.last?.cause == cause ? true : nil
      }
    }
  }
}

extension Harness {
  /// What commands are given to the store meanwhile find no space, together with one that asks for
  /// more than there is.
  fileprivate func withoutSpace(_ body: () -> Void) async throws {
    let gate = DispatchSemaphore(value: 0)
    // The store takes no other batch before this answer was heard.
    await withCheckedContinuation { continuation in
      _ = store.submit { batch in
        batch.append(
          .expire(maximum: 1), now: ServerClock.now,
          origin: .completion { _ in
            continuation.resume()
            gate.wait()
          })
      }
    }
    let large = StoredIntegration(
      id: 0, name: "large", displayName: "", category: "", author: "", supportContact: "",
      description: String(repeating: "x", count: 900_000), createdAt: .epoch)
    let outcome = await withCheckedContinuation { continuation in
      _ = store.submit { batch in
        batch.append(
          .createIntegration(large, firstKey: nil), now: ServerClock.now,
          origin: .completion { continuation.resume(returning: $0) })
      }
      body()
      gate.signal()
    }
    guard case .failed(let refused) = outcome else { throw NotInTime("a refusal", within: .zero) }
    #expect(refused.reason == "STORAGE_FULL")
  }
}

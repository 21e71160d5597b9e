import IntegrationModel
import Testing

/// A state, an event, and what is decided.
struct Transition: Sendable, CustomStringConvertible {
  var description: String
  var state: LogState
  var event: LogEvent
  var decision: LogDecision

  init(_ description: String, _ state: LogState, _ event: LogEvent, _ decision: LogDecision) {
    self.description = description
    self.state = state
    self.event = event
    self.decision = decision
  }
}

private let token = LeaseToken(delivery: 1, nonce: 7)

private func own(_ status: Status, sequence: UInt64 = 1) -> LogState {
  LogState(status: status, sequence: sequence)
}

private func request(
  _ status: Status, _ hold: LogState.Hold, sequence: UInt64 = 0, lost: UInt32 = 0,
  isCancelWanted: Bool = false
) -> LogState {
  LogState(
    status: status, sequence: sequence, isCancelWanted: isCancelWanted, isRequest: true,
    hold: hold, token: token, lostDeliveries: lost)
}

private func report(
  _ status: Status?, _ sequence: UInt64 = 2, lease: ReportFacts.Lease = .absent,
  repeats: Bool = false
) -> LogEvent {
  .reported(
    ReportFacts(sequence: sequence, status: status, lease: lease, repeatsContent: repeats))
}

@Suite struct LogStateTests {
  @Test("Agents' reports", arguments: LogStateTests.reportCases)
  func reports(transition: Transition) {
    let decision = transition.state.apply(transition.event, limits: ModelLimits())
    #expect(decision == transition.decision)
  }

  static let reportCases: [Transition] = [
    Transition(
      "progress", own(.inProgress), report(nil),
      .move(own(.inProgress, sequence: 2), cause: .report)),
    Transition(
      "the end", own(.inProgress), report(.timedOut),
      .move(own(.timedOut, sequence: 2), cause: .report)),
    Transition("a repeat", own(.inProgress), report(nil, 1), .duplicate),
    Transition("an older repeat", own(.inProgress, sequence: 3), report(nil, 2), .duplicate),
    Transition("a repeat after the end", own(.completed), report(.completed, 1), .duplicate),
    Transition(
      "after the end", own(.completed), report(.failed), .refuse(.logFinal(.completed))),
    Transition(
      "uncounted repeat after the end", own(.failed), report(.failed, 0, repeats: true),
      .duplicate),
    Transition(
      "uncounted and different after the end", own(.failed), report(.completed, 0),
      .refuse(.logFinal(.failed))),
    Transition(
      "uncounted progress", own(.inProgress), report(nil, 0),
      .move(own(.inProgress), cause: .report)),
    Transition("a gap", own(.inProgress), report(nil, 3), .refuse(.sequenceGap(expected: 2))),
    Transition(
      "back to the queue", own(.inProgress), report(.queued),
      .refuse(.statusInvalid(from: .inProgress, to: .queued))),
    Transition(
      "a lease for own work", own(.inProgress), report(nil, lease: .token(token)),
      .refuse(.leaseLost)),
    Transition(
      "accepting without starting", request(.queued, .offered),
      report(nil, 1, lease: .token(token)),
      .move(request(.queued, .accepted, sequence: 1), cause: .report)),
    Transition(
      "starting", request(.queued, .offered), report(.inProgress, 1, lease: .token(token)),
      .move(request(.inProgress, .accepted, sequence: 1), cause: .report)),
    Transition(
      "refusing at once", request(.queued, .offered), report(.failed, 1, lease: .token(token)),
      .move(request(.failed, .none, sequence: 1), cause: .report)),
    Transition(
      "timing out what never started", request(.queued, .accepted),
      report(.timedOut, 1, lease: .token(token)),
      .refuse(.statusInvalid(from: .queued, to: .timedOut))),
    Transition(
      "no lease", request(.queued, .offered), report(.inProgress, 1), .refuse(.leaseRequired)),
    Transition(
      "an old lease", request(.inProgress, .accepted),
      report(nil, 1, lease: .token(LeaseToken(delivery: 1, nonce: 6))), .refuse(.leaseLost)),
    Transition(
      "no token at all", request(.inProgress, .accepted), report(nil, 1, lease: .unreadable),
      .refuse(.leaseLost)),
    Transition(
      "back in the queue", request(.queued, .none, sequence: 1),
      report(nil, 2, lease: .token(token)), .refuse(.leaseLost)),
    Transition(
      "a repeat back in the queue", request(.queued, .none, sequence: 1),
      report(nil, 1, lease: .token(token)), .duplicate),
    Transition(
      "the end forgets the wish to cancel",
      request(.inProgress, .accepted, isCancelWanted: true),
      report(.completed, 1, lease: .token(token)),
      .move(request(.completed, .none, sequence: 1), cause: .report)),
  ]

  @Test("The server's and operators' events", arguments: LogStateTests.eventCases)
  func others(transition: Transition) {
    let decision = transition.state.apply(transition.event, limits: ModelLimits())
    #expect(decision == transition.decision)
  }

  static let eventCases: [Transition] = [
    Transition(
      "leased", request(.queued, .none, sequence: 3, lost: 1), .leased(nonce: 9),
      .move(
        LogState(
          status: .queued, isRequest: true, hold: .offered,
          token: LeaseToken(delivery: 2, nonce: 9), lostDeliveries: 1), cause: .leased)),
    Transition(
      "leased twice", request(.queued, .offered), .leased(nonce: 9),
      .hold(request(.queued, .offered))),
    Transition(
      "leased after the end", request(.failed, .none), .leased(nonce: 9),
      .refuse(.logFinal(.failed))),
    Transition(
      "renewed and accepted", request(.queued, .offered), .renewed(token),
      .hold(request(.queued, .accepted))),
    Transition(
      "renewed with another token", request(.queued, .offered),
      .renewed(LeaseToken(delivery: 2, nonce: 7)), .refuse(.leaseLost)),
    Transition(
      "renewed in the queue", request(.queued, .none), .renewed(token), .refuse(.leaseLost)),
    Transition(
      "not accepted", request(.queued, .offered), .leaseEnded(.notAccepted),
      .move(request(.queued, .none), cause: .notAccepted)),
    Transition(
      "lost", request(.inProgress, .accepted, sequence: 2), .leaseEnded(.leaseExpired),
      .move(request(.queued, .none, sequence: 2, lost: 1), cause: .leaseExpired)),
    Transition(
      "lost for the last time", request(.inProgress, .accepted, lost: 4),
      .leaseEnded(.connectionLost),
      .move(request(.failed, .none, lost: 4), cause: .deliveriesSpent)),
    Transition(
      "lost while an operator wants it stopped",
      request(.inProgress, .accepted, isCancelWanted: true), .leaseEnded(.agentStopped),
      .move(request(.cancelled, .none), cause: .operatorAction)),
    Transition(
      "cancelled in the queue", request(.queued, .none), .cancelAsked,
      .move(request(.cancelled, .none), cause: .operatorAction)),
    Transition(
      "cancelled while offered", request(.queued, .offered), .cancelAsked,
      .askAgent(request(.queued, .offered, isCancelWanted: true))),
    Transition(
      "cancelled after the end", own(.completed), .cancelAsked, .refuse(.logFinal(.completed))),
    Transition(
      "queue timeout", request(.queued, .none), .queueTimeoutPassed,
      .move(request(.timedOut, .none), cause: .queueTimeout)),
    Transition(
      "queue timeout of what is held", request(.queued, .accepted), .queueTimeoutPassed,
      .hold(request(.queued, .accepted))),
    Transition(
      "progress timeout", own(.inProgress), .progressTimeoutPassed,
      .move(own(.timedOut), cause: .progressTimeout)),
    Transition(
      "progress timeout of leased work", request(.inProgress, .accepted),
      .progressTimeoutPassed, .hold(request(.inProgress, .accepted))),
  ]

  @Test("Nothing moves a log that has ended", arguments: Status.allCases.filter(\.isFinal))
  func final(status: Status) {
    let events: [LogEvent] = [
      report(.inProgress), .renewed(token), .leased(nonce: 1), .leaseEnded(.leaseExpired),
      .queueTimeoutPassed, .progressTimeoutPassed, .cancelAsked,
    ]
    for state in [own(status), request(status, .none)] {
      for event in events {
        if case .move = state.apply(event, limits: ModelLimits()) {
          Issue.record("\(event) moved a log that is \(status)")
        }
      }
    }
  }

  @Test(
    "A log begins with what agents may say first",
    arguments: [
      (ReportFacts(sequence: 1, status: .completed), .success(own(.completed))),
      (ReportFacts(sequence: 0, status: nil), .success(own(.inProgress, sequence: 0))),
      (
        ReportFacts(sequence: 1, status: .queued),
        .failure(.statusInvalid(from: .inProgress, to: .queued))
      ),
      (ReportFacts(sequence: 2, status: .failed), .failure(.sequenceGap(expected: 1))),
      (ReportFacts(sequence: 1, status: .failed, lease: .token(token)), .failure(.leaseLost)),
    ] as [(ReportFacts, Result<LogState, LogRefusal>)])
  func begin(facts: ReportFacts, expected: Result<LogState, LogRefusal>) {
    #expect(LogState.begin(facts) == expected)
  }
}

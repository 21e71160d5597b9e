import RPCWire
import Testing

/// What happens on a server's connection, as a table writes it.
enum ServerInput: Sendable {
  case preamble(FrameParser.PreambleStep)
  case frame(FrameHeader)
  case length(FrameStep)
  case helloAccepted
  case helloRefused
  case helloRejected
  case helloDeadline
  case callKept
  case callEnded
  case drain
  case closed
}

extension ServerConnectionState {
  mutating func take(_ input: ServerInput) -> ServerEffect {
    switch input {
    case .preamble(let step): return preambleReceived(step)
    case .frame(let header): return frameReceived(header)
    case .length(let step): return lengthRejected(step, limit: 100)
    case .helloAccepted: helloAccepted()
    case .helloRefused: helloRefused()
    case .helloRejected: return helloRejected(.helloInvalid)
    case .helloDeadline: return helloDeadlinePassed(milliseconds: 10_000)
    case .callKept: callKept()
    case .callEnded: return callEnded()
    case .drain: return drainBegan()
    case .closed: return closed(.keepaliveTimeout(milliseconds: 60_000))
    }
    return .ignore
  }

  /// A state that these inputs have led to.
  static func after(_ inputs: [ServerInput]) -> ServerConnectionState {
    var state = ServerConnectionState(maximumCallsInFlight: 2)
    for input in inputs { _ = state.take(input) }
    return state
  }
}

/// One row: in this state, this input has this effect and leads to this phase.
struct ServerRow: Sendable, CustomTestStringConvertible {
  var given: [ServerInput]
  var input: ServerInput
  var effect: ServerEffect
  var phase: ServerConnectionState.Phase

  init(
    _ given: [ServerInput], _ input: ServerInput, _ effect: ServerEffect,
    _ phase: ServerConnectionState.Phase
  ) {
    self.given = given
    self.input = input
    self.effect = effect
    self.phase = phase
  }

  var testDescription: String { "\(given.count) inputs, then \(input)" }
}

private let hello = ServerInput.frame(FrameHeader(.hello))
private let awaitingHello: [ServerInput] = [.preamble(.matched)]
private let open: [ServerInput] = [.preamble(.matched), .helloAccepted]
private let refused: [ServerInput] = [.preamble(.matched), .helloRefused]
private let oneKept: [ServerInput] = open + [call(1), .callKept]
private let draining: [ServerInput] = oneKept + [.drain]
private let ended: [ServerInput] = open + [.closed]

private func call(_ id: UInt32) -> ServerInput {
  .frame(FrameHeader(.call, number: 4, call: id, time: 30_000))
}

private func frame(kind: UInt8, flags: UInt8 = 0, call: UInt32 = 0) -> ServerInput {
  var header = FrameHeader(.ping, call: call)
  header.kind = kind
  header.flags = flags
  return .frame(header)
}

@Suite struct ServerConnectionStateTests {
  static let greeting: [ServerRow] = [
    ServerRow([], .preamble(.incomplete), .ignore, .awaitingPreamble),
    ServerRow([], .preamble(.matched), .ignore, .awaitingHello),
    ServerRow([], .preamble(.different), .close(.preambleInvalid), .ended),
    ServerRow([], .helloDeadline, .close(.helloTimeout(milliseconds: 10_000)), .ended),
    ServerRow([], .drain, .close(.shuttingDown), .ended),
    ServerRow([], hello, .ignore, .awaitingPreamble),
    ServerRow([], .helloAccepted, .ignore, .awaitingPreamble),
    ServerRow(awaitingHello, hello, .readHello, .awaitingHello),
    ServerRow(awaitingHello, .helloAccepted, .ignore, .open),
    ServerRow(awaitingHello, .helloRefused, .ignore, .refused),
    ServerRow(awaitingHello, .helloRejected, .close(.helloInvalid), .ended),
    ServerRow(awaitingHello, .preamble(.different), .ignore, .awaitingHello),
    ServerRow(awaitingHello, call(1), .close(.helloMissing(kind: 2)), .ended),
    ServerRow(awaitingHello, frame(kind: 6), .close(.helloMissing(kind: 6)), .ended),
    ServerRow(awaitingHello, frame(kind: 77), .close(.helloMissing(kind: 77)), .ended),
    ServerRow(
      awaitingHello, .helloDeadline, .close(.helloTimeout(milliseconds: 10_000)), .ended),
    ServerRow(awaitingHello, .drain, .close(.shuttingDown), .ended),
  ]

  static let openRows: [ServerRow] = [
    ServerRow(open, call(1), .startCall, .open),
    ServerRow(open, call(.max), .startCall, .open),
    ServerRow(open, call(0), .close(.callIDInvalid(id: 0, last: 0)), .ended),
    ServerRow(open + [call(5)], call(5), .close(.callIDInvalid(id: 5, last: 5)), .ended),
    ServerRow(open + [call(5)], call(4), .close(.callIDInvalid(id: 4, last: 5)), .ended),
    ServerRow(open + [call(5)], call(9), .startCall, .open),
    ServerRow(
      oneKept + [call(2), .callKept], call(3), .refuseCall(.tooManyCalls), .open),
    ServerRow(oneKept + [call(2), .callKept, .callEnded], call(3), .startCall, .open),
    ServerRow(open, frame(kind: 5, call: 3), .cancelCall(3), .open),
    ServerRow(
      open, .frame(FrameHeader(.credit, call: 3, time: 64)), .addCredit(call: 3, count: 64), .open),
    ServerRow(open, frame(kind: 6), .sendPong, .open),
    ServerRow(open, frame(kind: 7), .ignore, .open),
    ServerRow(open, frame(kind: 8), .ignore, .open),
    ServerRow(open, frame(kind: 3, call: 1), .ignore, .open),
    ServerRow(open, frame(kind: 4, call: 1), .ignore, .open),
    ServerRow(open, frame(kind: 0), .ignore, .open),
    ServerRow(open, frame(kind: 200), .ignore, .open),
    ServerRow(open, frame(kind: 6, flags: 1), .close(.flagsReserved(1)), .ended),
    ServerRow(open, frame(kind: 200, flags: 128), .close(.flagsReserved(128)), .ended),
    ServerRow(open, hello, .close(.helloRepeated), .ended),
    ServerRow(open, .helloDeadline, .ignore, .open),
    ServerRow(open, .helloRejected, .ignore, .open),
    ServerRow(open, .length(.tooLong(101)), .close(.frameTooLong(bytes: 101, limit: 100)), .ended),
    ServerRow(open, .length(.tooShort(11)), .close(.frameTooShort(bytes: 11)), .ended),
    ServerRow(open, .length(.incomplete), .ignore, .open),
  ]

  static let endingRows: [ServerRow] = [
    ServerRow(open, .drain, .close(.shuttingDown), .ended),
    ServerRow(oneKept, .drain, .sendGoAway(lastCallID: 1), .draining),
    ServerRow(draining, .drain, .ignore, .draining),
    ServerRow(draining, call(2), .refuseCall(.shuttingDown), .draining),
    ServerRow(draining, frame(kind: 5, call: 1), .cancelCall(1), .draining),
    ServerRow(draining, frame(kind: 6), .sendPong, .draining),
    ServerRow(draining, .callEnded, .close(.shuttingDown), .ended),
    ServerRow(refused, call(1), .refuseCall(.credentialRefused), .refused),
    ServerRow(refused, call(0), .refuseCall(.credentialRefused), .refused),
    ServerRow(refused, hello, .close(.helloRepeated), .ended),
    ServerRow(refused, frame(kind: 6), .sendPong, .refused),
    ServerRow(refused, .drain, .close(.shuttingDown), .ended),
    ServerRow(ended, call(1), .ignore, .ended),
    ServerRow(ended, hello, .ignore, .ended),
    ServerRow(ended, .closed, .ignore, .ended),
    ServerRow(ended, .drain, .ignore, .ended),
    ServerRow(ended, .helloDeadline, .ignore, .ended),
    ServerRow(ended, .preamble(.matched), .ignore, .ended),
  ]

  @Test(
    "An input has its effect and leads to its phase", arguments: greeting + openRows + endingRows)
  func row(_ row: ServerRow) {
    var state = ServerConnectionState.after(row.given)
    #expect(state.take(row.input) == row.effect)
    #expect(state.phase == row.phase)
  }

  @Test("A refused call is answered, so that the last call id is its own")
  func lastCall() {
    var state = ServerConnectionState.after(oneKept + [call(7), .callKept])
    #expect(state.take(call(8)) == .refuseCall(.tooManyCalls))
    #expect(state.lastCallID == 8)
    #expect(state.callsInFlight == 2)
  }
}

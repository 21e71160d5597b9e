import RPCWire
import Testing

/// What happens on a client's connection, as a table writes it.
enum ClientInput: Sendable {
  case frame(FrameHeader)
  case length(FrameStep)
  case helloAccepted
  case goAway(UInt32)
  case helloDeadline
  case closed
}

extension ClientConnectionState {
  mutating func take(_ input: ClientInput) -> ClientEffect {
    switch input {
    case .frame(let header): return frameReceived(header)
    case .length(let step): return lengthRejected(step, limit: 100)
    case .helloAccepted:
      helloAccepted()
      return .ignore
    case .goAway(let last): return goAwayReceived(lastCallID: last)
    case .helloDeadline: return helloDeadlinePassed(milliseconds: 10_000)
    case .closed: return closed(.keepaliveTimeout(milliseconds: 60_000))
    }
  }
}

/// One row: after these inputs, this input has this effect and leads to this phase.
struct ClientRow: Sendable, CustomTestStringConvertible {
  var given: [ClientInput]
  var input: ClientInput
  var effect: ClientEffect
  var phase: ClientConnectionState.Phase

  init(
    _ given: [ClientInput], _ input: ClientInput, _ effect: ClientEffect,
    _ phase: ClientConnectionState.Phase
  ) {
    self.given = given
    self.input = input
    self.effect = effect
    self.phase = phase
  }

  var testDescription: String { "\(given.count) inputs, then \(input)" }
}

private let open: [ClientInput] = [.helloAccepted]
private let goingAway: [ClientInput] = open + [.goAway(3)]
private let ended: [ClientInput] = open + [.closed]

private func frame(_ kind: FrameKind, number: UInt16 = 0, call: UInt32 = 0) -> ClientInput {
  .frame(FrameHeader(kind, number: number, call: call))
}

private func unknown(kind: UInt8, flags: UInt8 = 0) -> ClientInput {
  var header = FrameHeader(.ping)
  header.kind = kind
  header.flags = flags
  return .frame(header)
}

@Suite struct ClientConnectionStateTests {
  static let rows: [ClientRow] = [
    ClientRow([], frame(.hello), .readHello, .awaitingHello),
    ClientRow([], frame(.goAway), .readGoAway, .awaitingHello),
    ClientRow([], .goAway(0), .failCallsAbove(0), .goingAway),
    ClientRow([], frame(.reply, call: 1), .close(.helloMissing(kind: 3)), .ended),
    ClientRow([], unknown(kind: 99), .close(.helloMissing(kind: 99)), .ended),
    ClientRow([], .helloDeadline, .close(.helloTimeout(milliseconds: 10_000)), .ended),
    ClientRow(open, frame(.reply, call: 1), .completeCall(1, code: 0), .open),
    ClientRow(open, frame(.reply, number: 5, call: 1), .completeCall(1, code: 5), .open),
    ClientRow(open, frame(.message, call: 2), .deliverMessage(2), .open),
    ClientRow(open, frame(.ping), .sendPong, .open),
    ClientRow(open, frame(.pong), .ignore, .open),
    ClientRow(open, frame(.goAway), .readGoAway, .open),
    ClientRow(open, frame(.hello), .close(.helloRepeated), .ended),
    ClientRow(open, frame(.call, call: 1), .ignore, .open),
    ClientRow(open, frame(.cancel, call: 1), .ignore, .open),
    ClientRow(open, frame(.credit, call: 1), .ignore, .open),
    ClientRow(open, unknown(kind: 99), .ignore, .open),
    ClientRow(open, unknown(kind: 3, flags: 1), .close(.flagsReserved(1)), .ended),
    ClientRow(
      open, .length(.tooLong(101)), .close(.frameTooLong(bytes: 101, limit: 100)), .ended),
    ClientRow(open, .length(.tooShort(3)), .close(.frameTooShort(bytes: 3)), .ended),
    ClientRow(open, .helloDeadline, .ignore, .open),
    ClientRow(goingAway, frame(.reply, call: 3), .completeCall(3, code: 0), .goingAway),
    ClientRow(goingAway, .goAway(1), .failCallsAbove(1), .goingAway),
    ClientRow(goingAway, .helloAccepted, .ignore, .goingAway),
    ClientRow(ended, frame(.reply, call: 3), .ignore, .ended),
    ClientRow(ended, .goAway(1), .ignore, .ended),
    ClientRow(ended, .closed, .ignore, .ended),
  ]

  @Test("An input has its effect and leads to its phase", arguments: rows)
  func row(_ row: ClientRow) {
    var state = ClientConnectionState()
    for input in row.given { _ = state.take(input) }
    #expect(state.take(row.input) == row.effect)
    #expect(state.phase == row.phase)
  }

  @Test("Call ids count from 1, before and after the server's HELLO")
  func callIDs() {
    var state = ClientConnectionState()
    let first = state.nextCallID()
    state.helloAccepted()
    #expect([first, state.nextCallID(), state.nextCallID()] == [1, 2, 3])
  }

  @Test(
    "No call is sent once the connection is going away or has ended",
    arguments: [
      ClientInput.goAway(0), .closed,
    ])
  func noCallAtTheEnd(_ input: ClientInput) {
    var state = ClientConnectionState()
    _ = state.take(input)
    #expect(state.nextCallID() == nil)
  }
}

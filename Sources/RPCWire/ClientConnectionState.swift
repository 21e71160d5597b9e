/// What a client does about something that happened on its connection.
public enum ClientEffect: Hashable, Sendable {
  /// Nothing.
  case ignore
  /// Decode the ServerHello and tell with `helloAccepted`.
  case readHello
  /// The payload is the reply to this call; a code other than 0 makes it a Status.
  case completeCall(UInt32, code: UInt16)
  /// The payload is one message of this call's stream.
  case deliverMessage(UInt32)
  /// Answer a PING with its payload.
  case sendPong
  /// Decode the GoAway and tell with `goAwayReceived`.
  case readGoAway
  /// End these calls as not started: those above the id.
  case failCallsAbove(UInt32)
  /// Send GOAWAY with the cause, end all calls, close.
  case close(CloseCause)
}

/// The client's side of one connection.
///
/// | phase | to | when |
/// | --- | --- | --- |
/// | awaitingHello | open | the server's HELLO |
/// | awaitingHello, open | goingAway | the server's GOAWAY: later calls are not started |
/// | each | ended | a fault, or the connection is gone |
public struct ClientConnectionState: Hashable, Sendable {
  /// Where the connection stands.
  public enum Phase: Hashable, Sendable {
    /// Calls may be sent; the server has not answered HELLO.
    case awaitingHello
    /// Calls go both ways.
    case open
    /// Calls that the server started are finished, no new ones are sent.
    case goingAway
    /// Nothing more happens.
    case ended
  }

  /// Where the connection stands.
  public private(set) var phase = Phase.awaitingHello
  private var lastCallID: UInt32 = 0

  /// Makes the state of a connection whose HELLO was just sent.
  public init() {}

  /// The id of a call that is about to be sent; nil when no call may be sent any more.
  public mutating func nextCallID() -> UInt32? {
    guard phase == .open || phase == .awaitingHello, lastCallID < .max else { return nil }
    lastCallID += 1
    return lastCallID
  }

  /// A whole frame came.
  public mutating func frameReceived(_ header: FrameHeader) -> ClientEffect {
    if header.flags != 0 { return end(.flagsReserved(header.flags)) }
    let kind = FrameKind(rawValue: header.kind)
    switch phase {
    case .ended: return .ignore
    case .awaitingHello:
      // A server that refuses the connection says GOAWAY instead of HELLO.
      if kind == .hello { return .readHello }
      return kind == .goAway ? .readGoAway : end(.helloMissing(kind: header.kind))
    case .open, .goingAway: return openFrame(header, kind)
    }
  }

  /// A length field was out of its bounds.
  public mutating func lengthRejected(_ step: FrameStep, limit: Int) -> ClientEffect {
    switch step {
    case .tooLong(let bytes): end(.frameTooLong(bytes: bytes, limit: limit))
    case .tooShort(let bytes): end(.frameTooShort(bytes: bytes))
    case .frame, .incomplete: .ignore
    }
  }

  /// The server's HELLO is good.
  public mutating func helloAccepted() {
    if phase == .awaitingHello { phase = .open }
  }

  /// The server's GOAWAY was read.
  public mutating func goAwayReceived(lastCallID: UInt32) -> ClientEffect {
    guard phase != .ended else { return .ignore }
    phase = .goingAway
    return .failCallsAbove(lastCallID)
  }

  /// The time for HELLO is over.
  public mutating func helloDeadlinePassed(milliseconds: Int64) -> ClientEffect {
    phase == .awaitingHello ? end(.helloTimeout(milliseconds: milliseconds)) : .ignore
  }

  /// The connection is closed for a cause that lies outside of its frames.
  public mutating func closed(_ cause: CloseCause) -> ClientEffect {
    phase == .ended ? .ignore : end(cause)
  }

  private mutating func end(_ cause: CloseCause) -> ClientEffect {
    phase = .ended
    return .close(cause)
  }

  private mutating func openFrame(_ header: FrameHeader, _ kind: FrameKind?) -> ClientEffect {
    switch kind {
    case .reply: return .completeCall(header.call, code: header.number)
    case .message: return .deliverMessage(header.call)
    case .ping: return .sendPong
    case .goAway: return .readGoAway
    case .hello: return end(.helloRepeated)
    case .pong, .call, .cancel, .credit, nil: return .ignore
    }
  }
}

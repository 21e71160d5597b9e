/// What a server does about something that happened on a connection.
public enum ServerEffect: Hashable, Sendable {
  /// Nothing.
  case ignore
  /// Decode the ClientHello, decide on it, and tell with `helloAccepted` or `helloRefused`.
  case readHello
  /// Give the call to its method.
  case startCall
  /// Answer the call without starting it.
  case refuseCall(CallRefusal)
  /// End this call, if it is open, with CANCELLED.
  case cancelCall(UInt32)
  /// Let this call's stream, if it is open, send so many more messages.
  case addCredit(call: UInt32, count: UInt32)
  /// Answer a PING with its payload.
  case sendPong
  /// Tell with GOAWAY that calls above this one were not started, and go on.
  case sendGoAway(lastCallID: UInt32)
  /// Send GOAWAY with the cause, then close.
  case close(CloseCause)
}

/// Why a call is answered without being started.
public enum CallRefusal: Hashable, Sendable {
  /// The connection has as many calls open as it may.
  case tooManyCalls
  /// The server is going away.
  case shuttingDown
  /// The connection's credential was refused.
  case credentialRefused
}

/// The server's side of one connection: which frames may come, and what they cause.
///
/// | phase | to | when |
/// | --- | --- | --- |
/// | awaitingPreamble | awaitingHello | the preamble came |
/// | awaitingHello | open | HELLO with a good credential |
/// | awaitingHello | refused | HELLO with a bad one: each call is answered, none started |
/// | open | draining | the server stops: calls go on, new ones are refused |
/// | draining | ended | the last call ended |
/// | each | ended | a fault, or the connection is gone |
public struct ServerConnectionState: Hashable, Sendable {
  /// Where the connection stands.
  public enum Phase: Hashable, Sendable {
    /// Nothing came yet.
    case awaitingPreamble
    /// The preamble came.
    case awaitingHello
    /// Calls are taken.
    case open
    /// The credential was refused.
    case refused
    /// Calls in flight are finished, new ones refused.
    case draining
    /// Nothing more happens.
    case ended
  }

  /// Where the connection stands.
  public private(set) var phase = Phase.awaitingPreamble
  /// The last call that was started; 0 before the first.
  public private(set) var lastCallID: UInt32 = 0
  /// Calls that were started and not answered when their handler returned.
  public private(set) var callsInFlight = 0
  private let maximumCallsInFlight: Int

  /// Makes the state of a connection that was just accepted.
  public init(maximumCallsInFlight: Int) {
    self.maximumCallsInFlight = maximumCallsInFlight
  }

  /// The first bytes were compared with the preamble.
  public mutating func preambleReceived(_ step: FrameParser.PreambleStep) -> ServerEffect {
    guard phase == .awaitingPreamble else { return .ignore }
    switch step {
    case .incomplete: return .ignore
    case .different: return end(.preambleInvalid)
    case .matched:
      phase = .awaitingHello
      return .ignore
    }
  }

  /// A whole frame came.
  public mutating func frameReceived(_ header: FrameHeader) -> ServerEffect {
    if header.flags != 0 { return end(.flagsReserved(header.flags)) }
    switch phase {
    case .open: return openFrame(header)
    case .awaitingHello:
      guard header.kind == FrameKind.hello.rawValue else {
        return end(.helloMissing(kind: header.kind))
      }
      return .readHello
    case .refused, .draining: return closingFrame(header)
    case .awaitingPreamble, .ended: return .ignore
    }
  }

  /// A length field was out of its bounds.
  public mutating func lengthRejected(_ step: FrameStep, limit: Int) -> ServerEffect {
    switch step {
    case .tooLong(let bytes): end(.frameTooLong(bytes: bytes, limit: limit))
    case .tooShort(let bytes): end(.frameTooShort(bytes: bytes))
    case .frame, .incomplete: .ignore
    }
  }

  /// HELLO named a good credential.
  public mutating func helloAccepted() {
    if phase == .awaitingHello { phase = .open }
  }

  /// HELLO named a bad credential.
  public mutating func helloRefused() {
    if phase == .awaitingHello { phase = .refused }
  }

  /// HELLO could not be read, or no version is common.
  public mutating func helloRejected(_ cause: CloseCause) -> ServerEffect {
    phase == .awaitingHello ? end(cause) : .ignore
  }

  /// The time for HELLO is over.
  public mutating func helloDeadlinePassed(milliseconds: Int64) -> ServerEffect {
    switch phase {
    case .awaitingPreamble, .awaitingHello: end(.helloTimeout(milliseconds: milliseconds))
    case .open, .refused, .draining, .ended: .ignore
    }
  }

  /// A handler returned without having answered.
  public mutating func callKept() {
    callsInFlight += 1
  }

  /// A kept call was answered or ended.
  ///
  /// The effect closes a drained connection.
  public mutating func callEnded() -> ServerEffect {
    callsInFlight -= 1
    return phase == .draining && callsInFlight == 0 ? end(.shuttingDown) : .ignore
  }

  /// The server begins to stop.
  public mutating func drainBegan() -> ServerEffect {
    switch phase {
    case .awaitingPreamble, .awaitingHello, .refused: return end(.shuttingDown)
    case .draining, .ended: return .ignore
    case .open:
      if callsInFlight == 0 { return end(.shuttingDown) }
      phase = .draining
      return .sendGoAway(lastCallID: lastCallID)
    }
  }

  /// The connection is closed for a cause that lies outside of its frames.
  public mutating func closed(_ cause: CloseCause) -> ServerEffect {
    phase == .ended ? .ignore : end(cause)
  }

  private mutating func end(_ cause: CloseCause) -> ServerEffect {
    phase = .ended
    return .close(cause)
  }

  private mutating func openFrame(_ header: FrameHeader) -> ServerEffect {
    switch FrameKind(rawValue: header.kind) {
    case .call:
      guard header.call > lastCallID else {
        return end(.callIDInvalid(id: header.call, last: lastCallID))
      }
      lastCallID = header.call
      return callsInFlight < maximumCallsInFlight ? .startCall : .refuseCall(.tooManyCalls)
    case .cancel: return .cancelCall(header.call)
    case .credit: return .addCredit(call: header.call, count: header.time)
    case .ping: return .sendPong
    case .hello: return end(.helloRepeated)
    // A client's GOAWAY only announces its end. Frames that servers send are skipped like
    // unknown ones: a later version may give them a meaning.
    case .pong, .goAway, .reply, .message, nil: return .ignore
    }
  }

  private mutating func closingFrame(_ header: FrameHeader) -> ServerEffect {
    switch FrameKind(rawValue: header.kind) {
    case .call:
      return .refuseCall(phase == .refused ? .credentialRefused : .shuttingDown)
    case .cancel: return .cancelCall(header.call)
    case .credit: return .addCredit(call: header.call, count: header.time)
    case .ping: return .sendPong
    case .hello: return end(.helloRepeated)
    case .pong, .goAway, .reply, .message, nil: return .ignore
    }
  }
}

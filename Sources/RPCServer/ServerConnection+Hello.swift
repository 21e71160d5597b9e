import ProtobufRuntime
import RPCEnvelope
import RPCTransport
import RPCWire

extension ServerConnection {
  /// The version of the protocol that this server speaks.
  static var protocolVersion: UInt32 { 1 }

  func readHello(_ payload: UnsafeRawBufferPointer, on reactor: isolated Reactor) {
    let hello: ClientHelloView
    defer {
      // The token has been read, or will not be: nothing of it stays in memory.
      loop.greetings.wipe()
      endSecretInput()
    }
    do throws(DecodingError) {
      hello = try unsafe ClientHelloView(decoding: payload, in: loop.greetings)
    } catch {
      return perform(state.helloRejected(.helloInvalid), on: reactor)
    }
    let version = Self.protocolVersion
    guard hello.protocolMin <= version && hello.protocolMax >= version else {
      let cause = CloseCause.protocolUnsupported(
        minimum: hello.protocolMin, maximum: hello.protocolMax)
      return perform(state.helloRejected(cause), on: reactor)
    }
    if hello.maximumFrameBytes > 0 {
      peerMaximumFrameBytes = min(peerMaximumFrameBytes, Int(hello.maximumFrameBytes))
    }
    greetingDeadline = .max
    frameLimit = limits.maximumFrameBytes
    switch authenticate(hello) {
    case .success(let principal):
      context = CallContext(
        principal: principal, reactor: reactor, scratchpad: loop.scratchpad)
      charge(to: loop.accounts.join(principal.name), on: reactor)
      state.helloAccepted()
      writeHello(principal: principal.name, on: reactor)
      loop.observer.connectionOpened(ConnectionID(rawValue: identifier), principal)
    case .failure(let error):
      refusal = error
      state.helloRefused()
      writeHello(principal: "", on: reactor)
      // Calls on their way are answered, unless so many logins failed that this one is to cost
      // nothing more.
      let isLimited = error.reason == WireReason.tooManyFailedLogins
      greetingDeadline =
        reactor.now.monotonicNanoseconds + (isLimited ? 0 : limits.lingerTimeout.wholeNanoseconds)
      reactor.setDeadline(self, greetingDeadline)
    }
  }

  private func authenticate(_ hello: ClientHelloView) -> Result<Principal, RPCError> {
    if case .known(let principal) = admission { return .success(principal) }
    var credential = Credential(
      token: unsafe Array(hello.token.bytes), peer: Sockets.peer(of: descriptor),
      clientName: hello.clientName.string, clientVersion: hello.clientVersion.string)
    defer { credential.wipeToken() }
    return loop.authenticator.authenticate(credential)
  }

  /// Tells a refused connection why, behind the answers to the calls that came with its HELLO.
  func announceRefusal(on reactor: isolated Reactor) {
    guard state.phase == .refused, !saidGoAway, let refusal else { return }
    writeGoAway(
      .credential(reason: refusal.reason, message: refusal.message), lastCallID: 0, on: reactor)
  }

  func refuse(_ call: UInt32, _ cause: CallRefusal, on reactor: isolated Reactor) {
    switch cause {
    case .tooManyCalls:
      let error = RPCError(
        .resourceExhausted,
        "\(limits.maximumCallsInFlight) calls are open on this connection, which is the limit; "
          + "wait for one to end", reason: WireReason.tooManyCalls)
      writeFailure(call, error.markedNotStarted(), on: reactor)
    case .shuttingDown:
      let error = RPCError(
        .unavailable, CloseCause.shuttingDown.message, reason: WireReason.shuttingDown)
      writeFailure(call, error.markedNotStarted(), on: reactor)
    case .credentialRefused:
      if let refusal { writeFailure(call, refusal, on: reactor) }
    }
  }

  // MARK: Frames of the connection

  func writeFrame(
    _ header: FrameHeader, _ payload: UnsafeRawBufferPointer, on reactor: isolated Reactor
  ) {
    var header = header
    header.payloadBytes = payload.count
    let total = FrameHeader.byteCount + payload.count
    let target = unsafe reserveOutput(total, on: reactor)
    unsafe header.write(to: target)
    if let source = payload.baseAddress {
      unsafe (target + FrameHeader.byteCount).copyMemory(from: source, byteCount: payload.count)
    }
    commitOutput(total, on: reactor)
  }

  func writeFrame(_ header: FrameHeader, _ payload: [UInt8], on reactor: isolated Reactor) {
    unsafe payload.withUnsafeBytes { unsafe writeFrame(header, $0, on: reactor) }
  }

  private func writeHello(principal: String, on reactor: isolated Reactor) {
    var hello = ServerHello()
    hello.protocol = Self.protocolVersion
    hello.serverVersion = loop.serverVersion
    hello.maximumFrameBytes = UInt32(clamping: limits.maximumFrameBytes)
    hello.maximumCallsInFlight = UInt32(clamping: limits.maximumCallsInFlight)
    hello.keepaliveIntervalMs =
      UInt32(clamping: limits.keepaliveInterval.wholeNanoseconds / 1_000_000)
    hello.principal = principal
    writeFrame(FrameHeader(.hello), hello.serializedBytes(), on: reactor)
  }

  func writeGoAway(_ cause: CloseCause, lastCallID: UInt32, on reactor: isolated Reactor) {
    saidGoAway = true
    writeFrame(
      FrameHeader(.goAway), GoAwayPayload.make(cause, lastCallID: lastCallID), on: reactor)
  }
}

/// The payload of a GOAWAY.
enum GoAwayPayload {
  static func make(_ cause: CloseCause, lastCallID: UInt32) -> [UInt8] {
    var goAway = GoAway()
    goAway.lastCallID = lastCallID
    goAway.reason = cause.reason
    goAway.message = cause.message
    return goAway.serializedBytes()
  }
}

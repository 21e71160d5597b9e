import RPCEnvelope
import RPCTransport
import RPCWire

/// One connection of the native protocol, seen from the client.
///
/// Lives on one reactor.
final class ClientConnection: StreamConnection {
  let shared: ConnectionShared
  let identity: ClientIdentity
  var state = ClientConnectionState()
  let calls = OpenCalls()
  /// The earliest deadline of the open calls, or an earlier time.
  var nearestDeadline = Int64.max
  var helloDeadline = Int64.max
  /// What ended the connection, as far as it is known.
  var endCause: RPCError?
  /// The reactor's, once `start` has succeeded.
  var scratch: ClientScratch?
  /// The frame limit that the server's HELLO named.
  var peerMaximumFrameBytes: Int

  init(
    adopting descriptor: Int32, identity: ClientIdentity, limits: TransportLimits,
    shared: ConnectionShared
  ) {
    self.shared = shared
    self.identity = identity
    peerMaximumFrameBytes = limits.maximumFrameBytes
    super.init(adopting: descriptor, limits: limits)
  }

  /// Sends the preamble and HELLO; calls may follow at once.
  func start(on reactor: isolated Reactor) throws(SystemError) {
    // Its connections are all one's own: each by itself.
    charge(to: BufferAccount(), on: reactor)
    try open(on: reactor)
    scratch = ClientScratch.shared(on: reactor)
    helloDeadline = reactor.now.monotonicNanoseconds + limits.helloTimeout.wholeNanoseconds
    reactor.setDeadline(self, helloDeadline)
    var hello = ClientHello()
    hello.protocolMin = 1
    hello.protocolMax = 1
    hello.token = identity.token
    hello.clientName = identity.clientName
    hello.clientVersion = identity.clientVersion
    hello.maximumFrameBytes = UInt32(clamping: limits.maximumFrameBytes)
    let preamble = FrameParser.preamble
    let target = unsafe reserveOutput(preamble.count, on: reactor)
    for (position, byte) in preamble.enumerated() {
      unsafe target.storeBytes(of: byte, toByteOffset: position, as: UInt8.self)
    }
    commitOutput(preamble.count, on: reactor)
    writeFrame(FrameHeader(.hello), hello.serializedBytes(), on: reactor)
  }

  // MARK: Input

  override func consume(
    _ bytes: UnsafeRawBufferPointer, on reactor: isolated Reactor
  ) -> Int {
    scratch?.now = reactor.now.monotonicNanoseconds
    var offset = 0
    while !shouldStopConsuming(at: offset, on: reactor) {
      let step = unsafe FrameParser.next(
        in: bytes, at: offset, maximumFrameBytes: limits.maximumFrameBytes)
      guard case .frame(let header) = step else {
        perform(state.lengthRejected(step, limit: limits.maximumFrameBytes), on: reactor)
        break
      }
      let payloadStart = offset + FrameHeader.byteCount
      offset = payloadStart + header.payloadBytes
      let payload = unsafe UnsafeRawBufferPointer(rebasing: bytes[payloadStart..<offset])
      unsafe receive(header, payload, on: reactor)
    }
    return offset
  }

  private func receive(
    _ header: FrameHeader, _ payload: UnsafeRawBufferPointer, on reactor: isolated Reactor
  ) {
    // In a local variable the state needs no exclusivity check around the call.
    var state = self.state
    let effect = state.frameReceived(header)
    self.state = state
    switch effect {
    case .completeCall(let id, let code): unsafe complete(id, code: code, payload, on: reactor)
    case .deliverMessage(let id): unsafe deliver(id, payload, on: reactor)
    case .readHello: unsafe readHello(payload, on: reactor)
    case .readGoAway: unsafe readGoAway(payload, on: reactor)
    case .sendPong:
      unsafe writeFrame(FrameHeader(.pong), Array(payload.prefix(64)), on: reactor)
    case .ignore, .failCallsAbove, .close: perform(effect, on: reactor)
    }
  }

  /// Performs an effect that needs no payload.
  func perform(_ effect: ClientEffect, on reactor: isolated Reactor) {
    switch effect {
    case .ignore, .completeCall, .deliverMessage, .readHello, .readGoAway, .sendPong: return
    case .failCallsAbove(let last): failCalls(above: last, on: reactor)
    case .close(let cause):
      if endCause == nil {
        endCause = RPCError(.unavailable, cause.message, reason: cause.reason)
      }
      writeGoAway(cause, on: reactor)
      closeAfterFlush(on: reactor)
    }
  }

  // MARK: Clock and end

  override func deadlinesDue(on reactor: isolated Reactor) -> Int64 {
    let now = reactor.now.monotonicNanoseconds
    if helloDeadline <= now {
      helloDeadline = .max
      let milliseconds = limits.helloTimeout.wholeNanoseconds / 1_000_000
      perform(state.helloDeadlinePassed(milliseconds: milliseconds), on: reactor)
    }
    if nearestDeadline <= now { expireCalls(on: reactor) }
    return min(helloDeadline, nearestDeadline)
  }

  override func wentSilent(on reactor: isolated Reactor) {
    writeFrame(FrameHeader(.ping), [], on: reactor)
  }

  override func keepaliveExpired(on reactor: isolated Reactor) {
    let milliseconds = limits.keepaliveInterval.wholeNanoseconds / 1_000_000 * 3
    perform(state.closed(.keepaliveTimeout(milliseconds: milliseconds)), on: reactor)
  }

  override func outputOverflowed(on reactor: isolated Reactor) {
    perform(state.closed(.slowReader(bytes: unsentBytes)), on: reactor)
  }

  override func connectionEnded(on reactor: isolated Reactor) {
    _ = state.closed(.shuttingDown)
    let error =
      endCause
      ?? RPCError(
        .unavailable,
        "the connection ended before the reply; whether the call was done is not known",
        reason: WireReason.connectionLost)
    let open = calls.removeAll()
    shared.ended(error)
    for call in open { Self.fail(call, error) }
  }

  // MARK: Frames

  func writeFrame(_ header: FrameHeader, _ payload: [UInt8], on reactor: isolated Reactor) {
    guard phase == .open else { return }
    var header = header
    header.payloadBytes = payload.count
    let total = FrameHeader.byteCount + payload.count
    let target = unsafe reserveOutput(total, on: reactor)
    unsafe header.write(to: target)
    unsafe payload.withUnsafeBytes { source in
      guard let start = source.baseAddress else { return }
      unsafe (target + FrameHeader.byteCount).copyMemory(from: start, byteCount: source.count)
    }
    commitOutput(total, on: reactor)
  }

  private func writeGoAway(_ cause: CloseCause, on reactor: isolated Reactor) {
    var goAway = GoAway()
    goAway.reason = cause.reason
    goAway.message = cause.message
    writeFrame(FrameHeader(.goAway), goAway.serializedBytes(), on: reactor)
  }
}

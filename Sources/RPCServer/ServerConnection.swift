import RPCEnvelope
import RPCTransport
import RPCWire

/// One connection of the native protocol, seen from the server.
///
/// Lives on one reactor.
final class ServerConnection: StreamConnection {
  struct OpenCall {
    var deadline: Int64
    var stream: StreamState?
    /// Whether the service answers it although it has ended.
    var goesOn = false
  }

  /// How a connection comes to its principal.
  enum Admission {
    /// Its HELLO's credential is asked for.
    case byCredential
    /// The program itself made it.
    case known(Principal)
    /// It is told why it is not served.
    case refused(CloseCause)
  }

  let loop: ServerLoop
  let admission: Admission
  var state: ServerConnectionState
  /// What its calls share; nil until HELLO has named the caller.
  var context: CallContext?
  var principal: Principal? { context?.principal }
  var refusal: RPCError?
  var calls = CallTable<OpenCall>()
  /// Calls that ended early, and that the service goes on with.
  var abandoned: Set<UInt32> = []
  /// Whether those that go on are counted by the loop now.
  var hasDeparted = false
  /// The call whose handler runs now; 0 once it is answered.
  var currentCall: UInt32 = 0
  /// The earliest deadline of the open calls, or an earlier time.
  var nearestDeadline = Int64.max
  /// When the connection must have said HELLO, or, refused, is closed.
  var greetingDeadline = Int64.max
  var peerMaximumFrameBytes: Int
  /// The longest frame that is taken now: a short one until HELLO has named the caller.
  var frameLimit: Int
  var saidGoAway = false
  var isCongested = false
  /// Whether the place where long messages are decoded was promised to it.
  var hasLongTurn = false
  /// The call whose stream was last told to go on.
  private var lastResumed: UInt32 = 0

  init(adopting descriptor: Int32, loop: ServerLoop, admission: Admission) {
    self.loop = loop
    self.admission = admission
    state = ServerConnectionState(maximumCallsInFlight: loop.limits.maximumCallsInFlight)
    peerMaximumFrameBytes = loop.limits.maximumFrameBytes
    frameLimit = min(loop.limits.maximumHelloBytes, loop.limits.maximumFrameBytes)
    super.init(adopting: descriptor, limits: loop.limits)
    beginSecretInput()
  }

  /// Begins to serve, or to refuse.
  func start(on reactor: isolated Reactor) throws(SystemError) {
    try open(on: reactor)
    if case .refused(let cause) = admission {
      perform(state.closed(cause), on: reactor)
    } else if loop.isDraining {
      perform(state.drainBegan(), on: reactor)
    } else {
      greetingDeadline =
        reactor.now.monotonicNanoseconds + limits.helloTimeout.wholeNanoseconds
      reactor.setDeadline(self, greetingDeadline)
    }
  }

  // MARK: Input

  override func consume(
    _ bytes: UnsafeRawBufferPointer, on reactor: isolated Reactor
  ) -> Int {
    var offset = 0
    if state.phase == .awaitingPreamble {
      let step = unsafe FrameParser.matchPreamble(bytes)
      perform(state.preambleReceived(step), on: reactor)
      guard step == .matched else { return 0 }
      offset = FrameParser.preamble.count
    }
    while !shouldStopConsuming(at: offset, on: reactor) {
      let step = unsafe FrameParser.next(
        in: bytes, at: offset, maximumFrameBytes: frameLimit)
      guard case .frame(let header) = step else {
        perform(state.lengthRejected(step, limit: frameLimit), on: reactor)
        break
      }
      if header.payloadBytes >= LongMessages.minimumBytes && mustWait(header) { break }
      let payloadStart = offset + FrameHeader.byteCount
      offset = payloadStart + header.payloadBytes
      let payload = unsafe UnsafeRawBufferPointer(rebasing: bytes[payloadStart..<offset])
      unsafe receive(header, payload, on: reactor)
    }
    if hasLongTurn { passOnLongTurn(on: reactor) }
    announceRefusal(on: reactor)
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
    case .startCall: unsafe startCall(header, payload, on: reactor)
    case .readHello: unsafe readHello(payload, on: reactor)
    case .sendPong:
      // PROTOCOL section 5: a PING has at most 64 bytes; of a longer one the rest is dropped.
      unsafe writeFrame(
        FrameHeader(.pong), UnsafeRawBufferPointer(rebasing: payload.prefix(64)), on: reactor)
    case .refuseCall(let refusal): refuse(header.call, refusal, on: reactor)
    case .ignore, .cancelCall, .addCredit, .sendGoAway, .close: perform(effect, on: reactor)
    }
  }

  /// Performs an effect that needs no payload.
  func perform(_ effect: ServerEffect, on reactor: isolated Reactor) {
    switch effect {
    case .ignore, .startCall, .readHello, .sendPong, .refuseCall: return
    case .cancelCall(let id): cancel(id, on: reactor)
    case .addCredit(let call, let count): calls[call]?.stream?.addCredit(count)
    case .sendGoAway(let lastCallID):
      writeGoAway(.shuttingDown, lastCallID: lastCallID, on: reactor)
    case .close(let cause):
      writeGoAway(cause, lastCallID: state.lastCallID, on: reactor)
      closeAfterFlush(on: reactor)
    }
  }

  // MARK: Clock and end

  override func deadlinesDue(on reactor: isolated Reactor) -> Int64 {
    let now = reactor.now.monotonicNanoseconds
    if greetingDeadline <= now {
      greetingDeadline = .max
      if state.phase == .refused {
        closeAfterFlush(on: reactor)
      } else {
        let milliseconds = limits.helloTimeout.wholeNanoseconds / 1_000_000
        perform(state.helloDeadlinePassed(milliseconds: milliseconds), on: reactor)
      }
    }
    if nearestDeadline <= now { expireCalls(on: reactor) }
    return min(greetingDeadline, nearestDeadline)
  }

  override func wentSilent(on reactor: isolated Reactor) {
    if state.phase == .open || state.phase == .draining {
      unsafe writeFrame(
        FrameHeader(.ping), UnsafeRawBufferPointer(start: nil, count: 0), on: reactor)
    }
  }

  override func keepaliveExpired(on reactor: isolated Reactor) {
    let milliseconds = limits.keepaliveInterval.wholeNanoseconds / 1_000_000 * 3
    perform(state.closed(.keepaliveTimeout(milliseconds: milliseconds)), on: reactor)
  }

  override func outputOverflowed(on reactor: isolated Reactor) {
    perform(state.closed(.slowReader(bytes: unsentBytes)), on: reactor)
  }

  override func memoryExceeded(on reactor: isolated Reactor) {
    let cause = CloseCause.buffersFull(
      bytes: heldBytes, callerBytes: accountBytes, limit: limits.maximumBufferedBytes)
    perform(state.closed(cause), on: reactor)
  }

  override func begunFrameBytes(_ bytes: UnsafeRawBufferPointer) -> Int? {
    // Before HELLO its own deadline runs.
    guard context != nil else { return nil }
    return unsafe FrameParser.frameBytes(beginningWith: bytes) ?? FrameHeader.byteCount
  }

  override func frameTimedOut(
    bytes: Int, came: Int, milliseconds: Int64, on reactor: isolated Reactor
  ) {
    let cause = CloseCause.frameTimeout(bytes: bytes, came: came, milliseconds: milliseconds)
    perform(state.closed(cause), on: reactor)
  }

  override func backlogChanged(isHigh: Bool, on reactor: isolated Reactor) {
    guard isHigh != isCongested else { return }
    isCongested = isHigh
    if isHigh {
      calls.forEach { _, call in call.stream?.setCongested(true) }
    } else {
      resumeStreams()
    }
  }

  /// Lets streams send again, one after the other, until the output is full once more; the next
  /// time it begins behind the one that filled it.
  ///
  /// Each may send at once, and end its call.
  private func resumeStreams() {
    let ids = calls.callIDs.sorted()
    let start = ids.firstIndex { $0 > lastResumed } ?? 0
    for id in ids[start...] + ids[..<start] {
      guard !isCongested else { return }
      lastResumed = id
      calls[id]?.stream?.setCongested(false)
    }
  }

  override func connectionEnded(on reactor: isolated Reactor) {
    if hasLongTurn { passOnLongTurn(on: reactor) }
    _ = state.closed(.shuttingDown)
    let open = calls
    calls = CallTable()
    currentCall = 0
    open.forEach { id, call in
      if call.goesOn { abandoned.insert(id) }
    }
    depart()
    var ended: [UInt32] = []
    ended.reserveCapacity(open.count)
    open.forEach { id, call in
      call.stream?.end()
      ended.append(id)
    }
    loop.ended.connectionEnded(identifier, of: principal, with: ended, on: reactor)
  }

  override func connectionClosed(on reactor: isolated Reactor) {
    if let principal { loop.accounts.leave(principal.name) }
    if case .refused = admission {
      loop.shared.connectionClosed(wasServed: false)
    } else {
      loop.shared.connectionClosed(wasServed: true)
    }
  }

  func token(_ call: UInt32) -> CallToken {
    CallToken(connectionBits: identifier, callBits: UInt64(call))
  }
}

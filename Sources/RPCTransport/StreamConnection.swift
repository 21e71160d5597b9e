import CSystemShims
import Glibc
import RPCWire

/// A connected socket with its buffers, whatever protocol runs on it: bounded reads and writes,
/// water marks, keepalive clock, and closing so that the last bytes arrive.
///
/// | phase | to | when |
/// | --- | --- | --- |
/// | open | closing | `closeAfterFlush` |
/// | closing | lingering | the last byte was taken by the system |
/// | lingering | closed | the peer closed, or the linger timeout |
/// | each | closed | the peer is gone, `closeNow`, or it takes no bytes for too long |
open class StreamConnection: EventSource {
  /// Where a connection stands between opening and closing.
  public enum Phase: Sendable {
    /// Bytes go both ways.
    case open
    /// Nothing more is read; what is queued goes out.
    case closing
    /// All is sent; waits for the peer to close, so that a reset does not take the last bytes.
    case lingering
    /// The descriptor is closed.
    case closed
  }

  /// The limits of this side.
  public final let limits: TransportLimits
  /// Where the connection stands.
  public final var phase: Phase { stage }

  final var stage = Phase.open
  /// When bytes last came, in nanoseconds of the monotonic clock.
  final var lastHeard: Int64 = 0

  final var output: OutputBuffer?
  final var pending = PendingInput()
  /// What of `pending` and `output` the reactor has counted.
  final var countedBytes = 0
  /// What these count for; nil until the connection is opened.
  final var account: BufferAccount?
  /// Its neighbours in the account's list, while it holds something.
  final var previousHolder: StreamConnection?
  final var nextHolder: StreamConnection?
  final var isInTurn = false
  final var isDirty = false
  final var isReadingPaused = false
  /// Whether the protocol wants no more input for now.
  final var isHeld = false
  final var turnClock = TurnClock()
  /// Whether its last turn ended for want of time: it waits behind the others until one does not.
  final var isGreedy = false
  /// Whether it waits in the reactor for its turn among the greedy.
  final var isQueued = false
  /// Whether `pending` holds what an earlier turn had no time for.
  final var hasUnseenInput = false
  final var silentIntervals: Int64 = 0
  /// When the peer last took bytes while some waited.
  final var lastProgress: Int64 = 0
  final var lingerEnd = Int64.max
  /// When the first byte came of a frame that is not whole; 0: there is none.
  final var begunAt: Int64 = 0
  final var hasEnded = false
  final let keepaliveNanoseconds: Int64
  final let frameNanoseconds: Int64

  /// Takes ownership of a connected, non-blocking socket.
  public init(adopting descriptor: Int32, limits: TransportLimits) {
    #if PLANTED_UNBOUNDED_WRITE_QUEUE
      var limits = limits
      limits.highWaterBytes = .max
      limits.hardMarkBytes = .max
      limits.maximumBufferedBytes = .max
      limits.writeStallTimeout = .seconds(86_400)
    #endif
    self.limits = limits
    keepaliveNanoseconds = limits.keepaliveInterval.wholeNanoseconds
    frameNanoseconds = limits.frameTimeout.wholeNanoseconds
    super.init(adopting: descriptor)
  }

  // MARK: What a protocol overrides

  /// Bytes came.
  ///
  /// Returns how many of them are done with; the rest comes again with what follows. Must stop when
  /// `shouldStopConsuming` says so.
  open func consume(_ bytes: UnsafeRawBufferPointer, on reactor: isolated Reactor) -> Int {
    bytes.count
  }

  /// Nothing came for one more keepalive interval: ping.
  open func wentSilent(on reactor: isolated Reactor) {}

  /// Nothing came for three keepalive intervals: say so and close.
  open func keepaliveExpired(on reactor: isolated Reactor) {
    closeNow(on: reactor)
  }

  /// More bytes wait for the peer than the hard mark allows: say so and close.
  open func outputOverflowed(on reactor: isolated Reactor) {
    closeNow(on: reactor)
  }

  /// The connections of its account, or all together, hold more memory than they may, and this one
  /// is to go: say so and close.
  open func memoryExceeded(on reactor: isolated Reactor) {
    closeNow(on: reactor)
  }

  /// How long the frame is that begins with `bytes`, as far as they say; nil: it may take its time.
  open func begunFrameBytes(_ bytes: UnsafeRawBufferPointer) -> Int? { nil }

  /// A frame of `bytes` bytes, of which `came` have come, is not whole in the time for its length:
  /// say so and close.
  open func frameTimedOut(
    bytes: Int, came: Int, milliseconds: Int64, on reactor: isolated Reactor
  ) {
    closeNow(on: reactor)
  }

  /// The unsent bytes went above the high-water mark, or have come down to half of it.
  open func backlogChanged(isHigh: Bool, on reactor: isolated Reactor) {}

  /// The connection left the phase `open`: it takes and gives no more calls.
  ///
  /// Called once.
  open func connectionEnded(on reactor: isolated Reactor) {}

  /// The descriptor is closed.
  ///
  /// Called once, after `connectionEnded`.
  open func connectionClosed(on reactor: isolated Reactor) {}

  /// The protocol's own deadlines: acts on what is due, returns the next one, `.max` for none.
  open func deadlinesDue(on reactor: isolated Reactor) -> Int64 { .max }

  // MARK: Secrets

  /// From now on a credential may come: what is read is wiped behind the protocol's back.
  public final func beginSecretInput() {
    pending.beginSecret()
  }

  /// The credential was read.
  public final func endSecretInput() {
    pending.endSecret()
  }

  /// A secret is about to be written to the output: its memory is wiped once it is sent.
  public final func markOutputSecret(on reactor: isolated Reactor) {
    var buffer = output ?? reactor.buffers.take()
    buffer.isSecret = true
    output = buffer
  }

  // MARK: Output

  /// Unsent bytes.
  public final var unsentBytes: Int { output?.count ?? 0 }

  /// Memory that the connection holds for a begun frame and for unsent bytes.
  public final var heldBytes: Int { countedBytes }

  /// The same of all connections that are charged to its account.
  public final var accountBytes: Int { account?.bytes ?? 0 }

  /// A place for `count` bytes at the end of the output; count them with `commitOutput`.
  @inline(__always)
  public final func reserveOutput(
    _ count: Int, on reactor: isolated Reactor
  ) -> UnsafeMutableRawPointer {
    // Taken out and put back: a value in a local variable needs no exclusivity checks.
    var buffer = output ?? reactor.buffers.take()
    let place = unsafe buffer.reserve(count)
    output = buffer
    return unsafe place
  }

  /// Queues `count` bytes that were written to the reserved place; they go out with all others at
  /// the end of this turn.
  @inline(__always)
  public final func commitOutput(_ count: Int, on reactor: isolated Reactor) {
    guard var buffer = output else { preconditionFailure("commit without reserve") }
    buffer.commit(count)
    output = buffer
    if !isInTurn && !isDirty {
      isDirty = true
      reactor.flushLater(self)
    }
  }

  /// Whether a protocol that is done with the bytes before `offset` should leave the others for
  /// later: the turn's time is used up, the peer takes too little of the output, or the connection
  /// is no longer open.
  @inline(__always)
  public final func shouldStopConsuming(at offset: Int, on reactor: isolated Reactor) -> Bool {
    if stage != .open || isHeld { return true }
    if turnClock.reached(offset, now: ServerTime.monotonicNow) { return true }
    guard unsentBytes > limits.highWaterBytes else { return false }
    write(on: reactor)
    return stage != .open || unsentBytes > limits.highWaterBytes
  }

  /// The call of the frame that is consumed now waits for something, which uses more of the turn.
  @inline(__always)
  public final func noteKeptCall() { turnClock.keptCall() }

  /// Nothing more is read or consumed until `release`.
  public final func hold() { isHeld = true }

  /// Ends the connection once what is queued has gone out.
  public final func closeAfterFlush(on reactor: isolated Reactor) {
    guard stage == .open else { return }
    stage = .closing
    pending.removeAll()
    // What is queued must be gone in this time, however slowly the peer reads.
    lingerEnd =
      reactor.clock.monotonicNanoseconds + limits.writeStallTimeout.wholeNanoseconds
    reactor.setDeadline(self, lingerEnd)
    end(on: reactor)
    if !isInTurn && !isDirty {
      isDirty = true
      reactor.flushLater(self)
    }
  }

  /// Ends the connection at once.
  public final func closeNow(on reactor: isolated Reactor) {
    guard stage != .closed else { return }
    stage = .closed
    pending.removeAll()
    end(on: reactor)
    if let output { reactor.buffers.give(output) }
    output = nil
    countBytes(on: reactor)
    reactor.remove(self)
    connectionClosed(on: reactor)
  }

  private func end(on reactor: isolated Reactor) {
    guard !hasEnded else { return }
    hasEnded = true
    connectionEnded(on: reactor)
  }

  /// Reads and writes once.
  public final override func ready(_ events: UInt32, on reactor: isolated Reactor) {
    handleReady(events, on: reactor)
  }

  /// Goes on with what an earlier turn left, or reads what has come since.
  public final override func goOn(on reactor: isolated Reactor) {
    continueTurn(on: reactor)
  }

  /// Looks at every clock of the connection.
  public final override func deadlinePassed(on reactor: isolated Reactor) -> Int64 {
    isInTurn = true
    let next = handleDeadline(on: reactor)
    isInTurn = false
    finishTurn(on: reactor)
    return next
  }

  /// Writes what was queued outside of the connection's own turn.
  public final override func flush(on reactor: isolated Reactor) {
    isDirty = false
    finishTurn(on: reactor)
  }

  /// The reactor stops: closes at once.
  open override func reactorStopped(on reactor: isolated Reactor) {
    closeNow(on: reactor)
  }
}

extension Duration {
  /// Nanoseconds, clamped to a century, so that adding to a clock cannot overflow.
  public var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    guard seconds < 3_000_000_000 else { return 3_000_000_000_000_000_000 }
    guard seconds >= 0 else { return 0 }
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }
}

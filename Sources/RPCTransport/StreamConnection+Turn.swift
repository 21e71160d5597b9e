import CSystemShims
import Glibc
import RPCWire

extension StreamConnection {
  /// Most bytes of one write, so that one reader of much does not hold up the others.
  static let maximumWriteBytes = 256 << 10
  /// Up to here a begun frame is copied in front of the next read, which is then used in place;
  /// above, the read is added to it.
  static let maximumPrefixBytes = 64 << 10
  /// Most bytes that a greedy connection reads: what it has no time for is kept for its next turn.
  static let greedyReadBytes = 64 << 10
  /// Input of so many bytes is given to another thread as it is; copying less is no work.
  static let minimumGivenBytes = 128 << 10

  /// Begins to watch the socket; the keepalive clock starts.
  public final func open(on reactor: isolated Reactor) throws(SystemError) {
    lastHeard = reactor.clock.monotonicNanoseconds
    if account == nil { account = reactor.strangers }
    try reactor.add(self, events: EPOLLIN.rawValue)
    reactor.setDeadline(self, lastHeard + keepaliveNanoseconds)
  }

  final func handleReady(_ events: UInt32, on reactor: isolated Reactor) {
    isInTurn = true
    turnClock.begin()
    if events & EPOLLOUT.rawValue != 0 { write(on: reactor) }
    if events & EPOLLIN.rawValue != 0 {
      takeInput(on: reactor)
    } else if events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 {
      closeNow(on: reactor)
    }
    isInTurn = false
    finishTurn(on: reactor)
  }

  private func takeInput(on reactor: isolated Reactor) {
    guard stage == .open else { return readOnce(on: reactor) }
    // The event may have been on its way when the input was held.
    if isHeld { return }
    if isGreedy || isInLongFrame { queueUp(on: reactor) } else { readOnce(on: reactor) }
  }

  /// The turn of a connection that waited among the greedy.
  final func continueTurn(on reactor: isolated Reactor) {
    isQueued = false
    guard stage == .open && !isHeld else { return }
    isInTurn = true
    turnClock.begin()
    if hasUnseenInput {
      consumePending(on: reactor)
    } else if !isReadingPaused {
      readOnce(on: reactor)
    }
    isInTurn = false
    finishTurn(on: reactor)
  }

  private func queueUp(on reactor: isolated Reactor) {
    guard !isQueued else { return }
    isQueued = true
    reactor.continueLater(self)
  }

  /// Writes what is queued, and sets what to wait for.
  final func finishTurn(on reactor: isolated Reactor) {
    if output != nil { write(on: reactor) }
    resumeInput(on: reactor)
    if countBytes(on: reactor) { makeRoom(on: reactor) }
    if stage == .closing && output == nil { linger(on: reactor) }
    guard stage != .closed else { return }
    var interest: UInt32 = 0
    let reads = stage == .open && !isReadingPaused && !isQueued && !isHeld
    if stage == .lingering || reads { interest |= EPOLLIN.rawValue }
    if output != nil { interest |= EPOLLOUT.rawValue }
    reactor.setInterest(self, interest)
  }

  // MARK: Input

  /// Whether much of a frame has come that is not whole yet: its rest takes turns with the greedy.
  private var isInLongFrame: Bool { pending.count > Self.maximumPrefixBytes }

  /// Keeps a part of the input that `consume` has just now; the protocol then looks at no more of
  /// it in this turn.
  ///
  /// A long part in memory of its own is not copied.
  public final func keep(_ part: UnsafeRawBufferPointer) -> ReceivedBytes {
    let all = unsafe pending.bytes
    guard part.count >= Self.minimumGivenBytes, !pending.isSecret,
      let first = all.baseAddress, let begin = part.baseAddress,
      unsafe begin >= first && begin + part.count <= first + all.count
    else { return unsafe ReceivedBytes(copying: part) }
    let end = unsafe begin + part.count - first
    return unsafe ReceivedBytes(adopting: pending.giveAway(through: end), part)
  }

  private func readOnce(on reactor: isolated Reactor) {
    let buffer = unsafe reactor.readBuffer
    let prefix = pending.count <= Self.maximumPrefixBytes ? pending.count : 0
    if prefix > 0 { unsafe buffer.copyMemory(from: pending.bytes) }
    let isOneOfMany = isGreedy || isInLongFrame
    let room = isOneOfMany ? Self.greedyReadBytes : buffer.count - prefix
    let isSecret = pending.isSecret
    let got = unsafe Glibc.read(handle, buffer.baseAddress! + prefix, room)
    defer { if isSecret { unsafe wipe(buffer.baseAddress, bytes: prefix + max(got, 0)) } }
    guard got > 0 else {
      if got == 0 || (errno != EAGAIN && errno != EINTR) { closeNow(on: reactor) }
      return
    }
    noteLife(on: reactor)
    guard stage == .open else { return }
    if pending.count > prefix {
      unsafe pending.append(UnsafeRawBufferPointer(rebasing: buffer[0..<got]))
      consumePending(on: reactor)
    } else {
      let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[0..<(prefix + got)])
      let used = unsafe consume(bytes, on: reactor)
      guard stage == .open else { return }
      // Mostly nothing was kept and nothing is left.
      if used < bytes.count || prefix > 0 || isSecret {
        unsafe pending.replace(with: UnsafeRawBufferPointer(rebasing: bytes[used...]))
      }
      consumed(used, leaving: bytes.count - used, on: reactor)
    }
  }

  private func noteLife(on reactor: isolated Reactor) {
    lastHeard = reactor.clock.monotonicNanoseconds
    silentIntervals = 0
  }

  /// Hands the bytes that were kept to the protocol, and keeps what it leaves.
  private func consumePending(on reactor: isolated Reactor) {
    let used = unsafe consume(pending.bytes, on: reactor)
    guard stage == .open else { return }
    pending.removeFirst(used)
    consumed(used, leaving: pending.count, on: reactor)
  }

  /// The protocol took what it could: decides when the rest has its turn.
  private func consumed(_ used: Int, leaving left: Int, on reactor: isolated Reactor) {
    if left > 0 { noteBegunFrame(after: used, on: reactor) } else { begunAt = 0 }
    isGreedy = turnClock.isOver
    hasUnseenInput = isGreedy && left > 0
    if unsentBytes > limits.highWaterBytes { return pauseReading(on: reactor) }
    if isHeld { return }
    if hasUnseenInput { queueUp(on: reactor) }
  }

  /// Input goes on after `hold`, in a turn of its own; says whether that turn comes by itself.
  @discardableResult
  public final func release(on reactor: isolated Reactor) -> Bool {
    guard isHeld else { return false }
    isHeld = false
    guard stage == .open else { return false }
    noteLife(on: reactor)
    restartBegunFrame(on: reactor)
    hasUnseenInput = pending.count > 0
    if hasUnseenInput && !isReadingPaused { queueUp(on: reactor) }
    finishTurn(on: reactor)
    return isQueued
  }

  /// Output was added outside of what input asks for: from the high-water mark on no more input is
  /// read, and whoever adds of itself hears so before it adds the next piece.
  public final func outputAdded(on reactor: isolated Reactor) {
    if stage == .open && unsentBytes > limits.highWaterBytes { pauseReading(on: reactor) }
  }

  private func pauseReading(on reactor: isolated Reactor) {
    if !isReadingPaused { backlogChanged(isHigh: true, on: reactor) }
    isReadingPaused = true
  }

  /// Goes on with input that was left when the peer had taken too little of the output.
  private func resumeInput(on reactor: isolated Reactor) {
    guard stage == .open else { return }
    if unsentBytes > limits.highWaterBytes {
      return pauseReading(on: reactor)
    }
    while isReadingPaused, stage == .open, unsentBytes <= limits.highWaterBytes / 2 {
      isReadingPaused = false
      restartBegunFrame(on: reactor)
      backlogChanged(isHigh: false, on: reactor)
      guard pending.count > 0 && !isHeld else { return }
      if turnClock.isOver {
        hasUnseenInput = true
        return queueUp(on: reactor)
      }
      isInTurn = true
      consumePending(on: reactor)
      isInTurn = false
      if output != nil { write(on: reactor) }
    }
  }

  // MARK: Output

  /// Gives the system what it takes of the output.
  final func write(on reactor: isolated Reactor) {
    guard var buffer = output else { return }
    let count = min(buffer.count, Self.maximumWriteBytes)
    // MSG_NOSIGNAL: a peer that is gone must not raise SIGPIPE.
    let sent = unsafe send(handle, buffer.first, count, Int32(MSG_NOSIGNAL))
    if sent < 0 {
      guard errno == EAGAIN || errno == EINTR else { return closeNow(on: reactor) }
      return noteBacklog(on: reactor, madeProgress: false)
    }
    // A peer that takes what has waited lives, even when it is not being read.
    if lastProgress != 0 && sent > 0 { noteLife(on: reactor) }
    buffer.consume(sent)
    if buffer.count == 0 {
      reactor.buffers.give(buffer)
      output = nil
      lastProgress = 0
    } else {
      output = buffer
      noteBacklog(on: reactor, madeProgress: sent > 0)
    }
  }

  private func noteBacklog(on reactor: isolated Reactor, madeProgress: Bool) {
    if madeProgress || lastProgress == 0 {
      lastProgress = reactor.clock.monotonicNanoseconds
      reactor.setDeadline(self, lastProgress + limits.writeStallTimeout.wholeNanoseconds)
    }
    if stage == .open && unsentBytes > limits.hardMarkBytes { outputOverflowed(on: reactor) }
  }

  private func linger(on reactor: isolated Reactor) {
    stage = .lingering
    shutdown(handle, Int32(SHUT_WR))
    lingerEnd = reactor.clock.monotonicNanoseconds + limits.lingerTimeout.wholeNanoseconds
    reactor.setDeadline(self, lingerEnd)
  }

  // MARK: Deadlines

  final func handleDeadline(on reactor: isolated Reactor) -> Int64 {
    let now = reactor.clock.monotonicNanoseconds
    if lingerEnd <= now || isStalled(at: now) {
      closeNow(on: reactor)
      return .max
    }
    var next = stage == .open ? deadlinesDue(on: reactor) : .max
    if stage == .open { next = min(next, checkBegunFrame(on: reactor)) }
    if stage == .open { next = min(next, checkSilence(on: reactor)) }
    guard stage != .closed else { return .max }
    if lastProgress != 0 {
      next = min(next, lastProgress + limits.writeStallTimeout.wholeNanoseconds)
    }
    return min(next, lingerEnd)
  }

  private func isStalled(at now: Int64) -> Bool {
    lastProgress != 0 && now - lastProgress >= limits.writeStallTimeout.wholeNanoseconds
  }

  private func checkSilence(on reactor: isolated Reactor) -> Int64 {
    #if PLANTED_NO_KEEPALIVE
      lastHeard = reactor.clock.monotonicNanoseconds
    #endif
    if isHeld { lastHeard = reactor.clock.monotonicNanoseconds }
    let silence = reactor.clock.monotonicNanoseconds - lastHeard
    let intervals = silence / max(keepaliveNanoseconds, 1)
    if intervals >= 3 {
      keepaliveExpired(on: reactor)
      return .max
    }
    if intervals > silentIntervals { wentSilent(on: reactor) }
    silentIntervals = intervals
    return lastHeard + (intervals + 1) * keepaliveNanoseconds
  }
}

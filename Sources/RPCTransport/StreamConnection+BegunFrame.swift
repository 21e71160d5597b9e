import RPCWire

extension StreamConnection {
  /// The protocol is done with `used` bytes and left some: a frame that has begun, as a rule.
  ///
  /// No timer runs for it by itself: the deadline of the connection is due before, as a rule.
  @inline(never)
  final func noteBegunFrame(after used: Int, on reactor: isolated Reactor) {
    guard used > 0 || begunAt == 0 else { return }
    begunAt = reactor.clock.monotonicNanoseconds
    reactor.setDeadline(self, begunAt + frameNanoseconds)
  }

  /// This side reads on: what it left aside was not late.
  final func restartBegunFrame(on reactor: isolated Reactor) {
    if begunAt != 0 { begunAt = reactor.clock.monotonicNanoseconds }
  }

  /// Whether a frame takes too long to become whole; returns when to look again.
  final func checkBegunFrame(on reactor: isolated Reactor) -> Int64 {
    guard begunAt != 0, let bytes = unsafe begunFrameBytes(pending.bytes) else { return .max }
    let now = reactor.clock.monotonicNanoseconds
    if isHeld || isReadingPaused || hasUnseenInput { restartBegunFrame(on: reactor) }
    let time = Self.frameTime(of: bytes, within: limits)
    if now - begunAt >= time {
      frameTimedOut(bytes: bytes, came: pending.count, milliseconds: time / 1_000_000, on: reactor)
      return .max
    }
    return begunAt + time
  }

  /// How many nanoseconds a frame may take from its first byte to its last.
  static func frameTime(of bytes: Int, within limits: TransportLimits) -> Int64 {
    let transfer = Double(bytes) / Double(max(1, limits.frameBytesPerSecond))
    return limits.frameTimeout.wholeNanoseconds + Duration.seconds(transfer).wholeNanoseconds
  }
}

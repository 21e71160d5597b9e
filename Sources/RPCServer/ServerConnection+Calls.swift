import ProtobufRuntime
import RPCEnvelope
import RPCTransport
import RPCWire

extension ServerConnection {
  func startCall(
    _ header: FrameHeader, _ payload: UnsafeRawBufferPointer, on reactor: isolated Reactor
  ) {
    guard let entry = loop.entry(Int(header.number)), let context else {
      return refuseUnknown(header, on: reactor)
    }
    if entry.waitsForEnded, let error = refusalOfAbandoned(context) {
      return writeFailure(header.call, error.markedNotStarted(), on: reactor)
    }
    loop.counters.callStarted()
    let deadline =
      header.time == 0
      ? Int64.max : reactor.now.monotonicNanoseconds + Int64(header.time) * 1_000_000
    let stream = entry.isStreaming ? StreamState() : nil
    currentCall = header.call
    if payload.count >= LongMessages.minimumBytes, let decode = entry.decodeLong {
      keep(OpenCall(deadline: deadline, stream: stream), on: reactor)
      return unsafe decodeElsewhere(header.call, payload, decode, entry.goesOn, on: reactor)
    }
    let handle = CallHandle(
      token: token(header.call), deadlineNanoseconds: deadline, requestBytes: payload.count,
      context: context)
    entry.handler(
      unsafe IncomingCall(
        payload: payload, handle: handle, now: reactor.now, stream: stream))
    if currentCall != 0 {
      keep(OpenCall(deadline: deadline, stream: stream, goesOn: entry.goesOn), on: reactor)
    }
  }

  /// The handler returned without an answer: it comes later.
  func keep(_ call: OpenCall, on reactor: isolated Reactor) {
    let id = currentCall
    currentCall = 0
    calls.insert(id, call)
    state.callKept()
    if !call.goesOn { noteKeptCall() }
    if isCongested { call.stream?.setCongested(true) }
    if call.deadline < nearestDeadline {
      nearestDeadline = call.deadline
      reactor.setDeadline(self, nearestDeadline)
    }
  }

  private func refuseUnknown(_ header: FrameHeader, on reactor: isolated Reactor) {
    let error = RPCError(
      .unimplemented, "no method has the id \(header.number); this server may be older than you",
      reason: WireReason.methodUnknown)
    writeFailure(header.call, error, on: reactor)
  }

  // MARK: Answers

  /// Takes a call out of those that are open; false when it is over already.
  private func endCall(_ id: UInt32, on reactor: isolated Reactor) -> Bool {
    if id == currentCall && id != 0 {
      currentCall = 0
      return true
    }
    guard let call = calls.remove(id) else {
      answeredLate(id)
      return false
    }
    call.stream?.end()
    return true
  }

  /// Closes a drained connection behind its last answer.
  private func noteEnded(_ id: UInt32, wasKept: Bool, on reactor: isolated Reactor) {
    if wasKept { perform(state.callEnded(), on: reactor) }
  }

  /// A place for the payload of a call's answer; nil when the call is over.
  ///
  /// Followed at once by `finishReply`.
  static func reserveReply(
    _ reactor: isolated Reactor, _ token: CallToken, _ capacity: Int
  ) -> UnsafeMutableRawPointer? {
    let id = token.callID
    guard let connection = find(token, on: reactor),
      id == connection.currentCall || connection.calls[id] != nil
    else {
      answeredLate(token, on: reactor)
      return nil
    }
    let frame = unsafe connection.reserveOutput(FrameHeader.byteCount + capacity, on: reactor)
    return unsafe frame + FrameHeader.byteCount
  }

  /// Answers with the bytes that were written to the reserved place.
  static func finishReply(_ reactor: isolated Reactor, _ token: CallToken, _ count: Int) {
    guard let connection = find(token, on: reactor) else { return }
    connection.reply(token.callID, count, on: reactor)
  }

  private func reply(_ id: UInt32, _ count: Int, on reactor: isolated Reactor) {
    let wasKept = id != currentCall
    guard endCall(id, on: reactor) else { return }
    if count + FrameHeader.countedBytes > peerMaximumFrameBytes {
      writeTooLong(id, bytes: count, on: reactor)
    } else {
      let frame = unsafe reserveOutput(FrameHeader.byteCount + count, on: reactor)
      unsafe FrameHeader(.reply, call: id, payloadBytes: count).write(to: frame)
      commitOutput(FrameHeader.byteCount + count, on: reactor)
    }
    noteEnded(id, wasKept: wasKept, on: reactor)
  }

  /// Answers with a message, encoded where its frame goes out.
  static func reply(
    with message: MessageReference, to token: CallToken, on reactor: isolated Reactor
  ) {
    guard let connection = find(token, on: reactor) else {
      return answeredLate(token, on: reactor)
    }
    connection.reply(token.callID, message, on: reactor)
  }

  private func reply(_ id: UInt32, _ message: MessageReference, on reactor: isolated Reactor) {
    let wasKept = id != currentCall
    guard endCall(id, on: reactor) else { return }
    let likely = FrameHeader.likelyPayloadBytes
    var frame = unsafe reserveOutput(FrameHeader.byteCount + likely, on: reactor)
    var body = unsafe UnsafeMutableRawBufferPointer(
      start: frame + FrameHeader.byteCount, count: likely)
    let written = unsafe message.encodeIfFits(into: body)
    let count = written ?? message.encodedByteCount
    if count + FrameHeader.countedBytes > peerMaximumFrameBytes {
      writeTooLong(id, bytes: count, on: reactor)
    } else {
      if written == nil {
        unsafe frame = reserveOutput(FrameHeader.byteCount + count, on: reactor)
        unsafe body = UnsafeMutableRawBufferPointer(
          start: frame + FrameHeader.byteCount, count: count)
        _ = unsafe message.encode(into: body)
      }
      unsafe FrameHeader(.reply, call: id, payloadBytes: count).write(to: frame)
      commitOutput(FrameHeader.byteCount + count, on: reactor)
    }
    noteEnded(id, wasKept: wasKept, on: reactor)
  }

  /// Answers with a payload that another thread has built.
  func reply(_ id: UInt32, bytes: [UInt8], on reactor: isolated Reactor) {
    guard id == currentCall || calls[id] != nil else {
      answeredLate(id)
      return
    }
    let payload =
      unsafe reserveOutput(FrameHeader.byteCount + bytes.count, on: reactor)
      + FrameHeader.byteCount
    unsafe bytes.withUnsafeBytes { source in
      guard let start = source.baseAddress else { return }
      unsafe payload.copyMemory(from: start, byteCount: source.count)
    }
    reply(id, bytes.count, on: reactor)
  }

  /// Answers with a frame that another thread has built.
  func replyFramed(_ id: UInt32, _ frame: UnsafeRawBufferPointer, on reactor: isolated Reactor) {
    let wasKept = id != currentCall
    guard endCall(id, on: reactor) else { return }
    if frame.count - 4 > peerMaximumFrameBytes {
      writeTooLong(id, bytes: frame.count - FrameHeader.byteCount, on: reactor)
    } else {
      let target = unsafe reserveOutput(frame.count, on: reactor)
      unsafe target.copyMemory(from: frame.baseAddress!, byteCount: frame.count)
      commitOutput(frame.count, on: reactor)
    }
    noteEnded(id, wasKept: wasKept, on: reactor)
  }

  /// Answers with a frame that has a secret in it.
  func replyFramed(_ id: UInt32, _ frame: WipedMemory, on reactor: isolated Reactor) {
    markOutputSecret(on: reactor)
    unsafe replyFramed(id, frame.bytes, on: reactor)
  }

  /// Sends one item of a stream whose credit was taken.
  func message(_ id: UInt32, _ bytes: UnsafeRawBufferPointer, on reactor: isolated Reactor) {
    guard id == currentCall || calls[id] != nil else { return }
    if bytes.count + FrameHeader.countedBytes > peerMaximumFrameBytes {
      return fail(id, replyTooLong(bytes.count), on: reactor)
    }
    unsafe writeFrame(FrameHeader(.message, call: id), bytes, on: reactor)
    outputAdded(on: reactor)
  }

  /// Ends a call with an error.
  func fail(_ id: UInt32, _ error: RPCError, on reactor: isolated Reactor) {
    let wasKept = id != currentCall
    guard endCall(id, on: reactor) else { return }
    writeFailure(id, error, on: reactor)
    noteEnded(id, wasKept: wasKept, on: reactor)
  }

  /// Ends a call without its service, which is told.
  private func end(_ id: UInt32, _ error: RPCError, on reactor: isolated Reactor) {
    guard let call = calls[id] else { return }
    if call.goesOn { abandoned.insert(id) }
    fail(id, error, on: reactor)
    loop.observer.callEnded(token(id))
  }

  func cancel(_ id: UInt32, on reactor: isolated Reactor) {
    let error = RPCError(.cancelled, "the caller cancelled", reason: WireReason.callCancelled)
    end(id, error, on: reactor)
  }

  /// When calls are ended whose time is over and for which a round has no room.
  private static let laterNanoseconds: Int64 = 1_000_000

  func expireCalls(on reactor: isolated Reactor) {
    let now = reactor.now.monotonicNanoseconds
    var expired: [UInt32] = []
    var nearest = Int64.max
    calls.forEach { id, call in
      if call.deadline <= now { expired.append(id) } else { nearest = min(nearest, call.deadline) }
    }
    let count = loop.ended.take(expired.count, in: reactor.now)
    if count < expired.count { nearest = now + Self.laterNanoseconds }
    nearestDeadline = nearest
    let error = RPCError(
      .deadlineExceeded, "the call's time is over; it may have happened all the same",
      reason: WireReason.deadlineExceeded)
    for id in expired.prefix(count) { end(id, error, on: reactor) }
  }

  // MARK: Failures

  private func replyTooLong(_ bytes: Int) -> RPCError {
    RPCError(
      .resourceExhausted,
      "the answer has \(bytes) bytes, and a frame to you may have \(peerMaximumFrameBytes); "
        + "ask for less", reason: WireReason.replyTooLong)
  }

  private func writeTooLong(_ id: UInt32, bytes: Int, on reactor: isolated Reactor) {
    writeFailure(id, replyTooLong(bytes), on: reactor)
  }

  func writeFailure(_ id: UInt32, _ error: RPCError, on reactor: isolated Reactor) {
    let header = FrameHeader(.reply, number: error.code.rawValue, call: id)
    writeFrame(header, StatusPayload.make(error), on: reactor)
  }
}

/// The payload of a failed REPLY.
enum StatusPayload {
  static func make(_ error: RPCError) -> [UInt8] {
    var status = Status()
    status.code = UInt32(error.code.rawValue)
    status.message = error.message
    status.reason = error.reason
    status.violations = error.violations.map { violation in
      var field = RPCEnvelope.FieldViolation()
      field.field = violation.field
      field.description = violation.description
      return field
    }
    status.retryAfterMs = error.retryAfterMs
    status.metadata = error.metadata
    return status.serializedBytes()
  }
}

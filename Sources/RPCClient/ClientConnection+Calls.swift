import ProtobufRuntime
import RPCEnvelope
import RPCTransport
import RPCWire

extension ClientConnection {
  /// Sends a call; its receiver hears its end, also when it cannot be sent.
  ///
  /// Returns its id, 0 when it was not sent.
  static func start(
    _ reactor: isolated Reactor, _ connection: ClientConnection, _ call: OutgoingCall,
    _ payload: OutgoingPayload
  ) -> UInt32 {
    connection.start(call, payload, on: reactor)
  }

  private func start(
    _ call: OutgoingCall, _ payload: OutgoingPayload, on reactor: isolated Reactor
  ) -> UInt32 {
    // In a local variable the state needs no exclusivity check around the call.
    var state = self.state
    guard scratch != nil, phase == .open, let id = state.nextCallID() else {
      return refuse(call, notStarted(), on: reactor)
    }
    let payloadBytes = payload.byteCount
    guard payloadBytes + FrameHeader.countedBytes <= peerMaximumFrameBytes else {
      return refuse(call, tooLong(payloadBytes), on: reactor)
    }
    self.state = state
    var deadline = Int64.max
    if call.deadlineMs > 0 {
      deadline = reactor.now.monotonicNanoseconds + Int64(call.deadlineMs) * 1_000_000
      if deadline < nearestDeadline {
        nearestDeadline = deadline
        reactor.setDeadline(self, deadline)
      }
    }
    calls.insert(
      id,
      OpenCalls.Call(
        deadline: deadline, tag: call.tag, ticket: call.ticket, receiver: call.receiver))
    let target = unsafe reserveOutput(FrameHeader.byteCount + payloadBytes, on: reactor)
    unsafe FrameHeader(
      .call, number: call.methodID, call: id, time: call.deadlineMs, payloadBytes: payloadBytes
    ).write(to: target)
    unsafe payload.write(to: target + FrameHeader.byteCount, byteCount: payloadBytes)
    commitOutput(FrameHeader.byteCount + payloadBytes, on: reactor)
    if call.window > 0 {
      writeFrame(FrameHeader(.credit, call: id, time: call.window), [], on: reactor)
    }
    return id
  }

  /// Tells the receiver later, because it may hold a lock that its answer to a failure needs, or
  /// start the call again and again.
  private func refuse(
    _ call: OutgoingCall, _ error: RPCError, on reactor: isolated Reactor
  ) -> UInt32 {
    let (receiver, tag) = (call.receiver, call.tag)
    reactor.post { _ in receiver.failed(tag, error) }
    return 0
  }

  private func notStarted() -> RPCError {
    let error =
      endCause
      ?? RPCError(
        .unavailable, "the connection is closed or closing; connect again",
        reason: WireReason.connectionLost)
    return error.markedNotStarted()
  }

  private func tooLong(_ bytes: Int) -> RPCError {
    RPCError(
      .resourceExhausted,
      "the call has \(bytes) bytes, and a frame to the server may have \(peerMaximumFrameBytes)",
      reason: WireReason.frameTooLong
    ).markedNotStarted()
  }

  /// The id of an open call; nil when it is over.
  private func find(_ ticket: CallTicket) -> UInt32? {
    if let id = ticket.callID { return calls[id] == nil ? nil : id }
    return calls.ids { _, call in call.ticket == ticket.number }.first
  }

  /// Ends a call that the caller no longer wants, here and at the server.
  func cancel(_ ticket: CallTicket, on reactor: isolated Reactor) {
    guard let id = find(ticket), let call = calls.remove(id) else { return }
    writeFrame(FrameHeader(.cancel, call: id), [], on: reactor)
    Self.fail(
      call, RPCError(.cancelled, "the call was cancelled here", reason: WireReason.callCancelled))
    closeWhenDone(on: reactor)
  }

  /// Lets the server send so many more messages of a stream.
  func grant(_ ticket: CallTicket, count: UInt32, on reactor: isolated Reactor) {
    guard let id = find(ticket) else { return }
    writeFrame(FrameHeader(.credit, call: id, time: count), [], on: reactor)
  }

  // MARK: From the server

  func complete(
    _ id: UInt32, code: UInt16, _ payload: UnsafeRawBufferPointer, on reactor: isolated Reactor
  ) {
    guard let scratch, let call = calls.remove(id) else { return }
    if code == 0 {
      unsafe call.receiver.replied(call.tag, payload, scratch)
    } else {
      Self.fail(call, unsafe StatusReader.error(code: code, payload))
    }
    closeWhenDone(on: reactor)
  }

  func deliver(
    _ id: UInt32, _ payload: UnsafeRawBufferPointer, on reactor: isolated Reactor
  ) {
    guard let call = calls[id] else { return }
    unsafe call.receiver.received(payload)
  }

  func readHello(_ payload: UnsafeRawBufferPointer, on reactor: isolated Reactor) {
    let hello: ServerHello
    do throws(DecodingError) {
      hello = try unsafe ServerHello(serializedBytes: payload)
    } catch {
      return perform(state.closed(.helloInvalid), on: reactor)
    }
    helloDeadline = .max
    state.helloAccepted()
    if hello.maximumFrameBytes > 0 {
      peerMaximumFrameBytes = min(peerMaximumFrameBytes, Int(hello.maximumFrameBytes))
    }
    // Without a principal the credential was refused; a GOAWAY that says why is on its way.
    if !hello.principal.isEmpty { shared.greeted(hello) }
  }

  func readGoAway(_ payload: UnsafeRawBufferPointer, on reactor: isolated Reactor) {
    let goAway = (try? unsafe GoAway(serializedBytes: payload)) ?? GoAway()
    let reason = goAway.reason.isEmpty ? WireReason.shuttingDown : goAway.reason
    let text = goAway.message.isEmpty ? "the server ends the connection" : goAway.message
    endCause = RPCError(StatusCode(wireReason: reason), text, reason: reason)
    shared.willEnd()
    perform(state.goAwayReceived(lastCallID: goAway.lastCallID), on: reactor)
    closeWhenDone(on: reactor)
  }

  func failCalls(above last: UInt32, on reactor: isolated Reactor) {
    var error =
      endCause
      ?? RPCError(.unavailable, "the server is going away", reason: WireReason.shuttingDown)
    error = error.markedNotStarted()
    for id in calls.ids(where: { id, _ in id > last }) {
      if let call = calls.remove(id) { Self.fail(call, error) }
    }
  }

  /// After a GOAWAY the connection ends with its last call.
  private func closeWhenDone(on reactor: isolated Reactor) {
    if state.phase == .goingAway && calls.isEmpty { closeAfterFlush(on: reactor) }
  }

  // MARK: Ends

  func expireCalls(on reactor: isolated Reactor) {
    let now = reactor.now.monotonicNanoseconds
    var nearest = Int64.max
    let expired = calls.ids { _, call in
      if call.deadline > now { nearest = min(nearest, call.deadline) }
      return call.deadline <= now
    }
    nearestDeadline = nearest
    let error = RPCError(
      .deadlineExceeded, "no reply came in time; the call may have happened all the same",
      reason: WireReason.deadlineExceeded)
    for id in expired {
      if let call = calls.remove(id) { Self.fail(call, error) }
    }
    closeWhenDone(on: reactor)
  }

  static func fail(_ call: OpenCalls.Call, _ error: RPCError) {
    call.receiver.failed(call.tag, error)
  }
}

/// Reads the payload of a failed REPLY.
enum StatusReader {
  static func error(code: UInt16, _ payload: UnsafeRawBufferPointer) -> RPCError {
    guard let status = try? unsafe Status(serializedBytes: payload) else {
      return RPCError(
        StatusCode(rawValue: code), "the server gave no readable cause",
        reason: WireReason.payloadInvalid)
    }
    var error = RPCError(
      StatusCode(rawValue: code), status.message, reason: status.reason,
      violations: status.violations.map {
        RPCWire.FieldViolation(field: $0.field, description: $0.description)
      })
    error.retryAfterMs = status.retryAfterMs
    error.metadata = status.metadata
    return error
  }
}

import ProtobufRuntime
import RPCEnvelope
import RPCTransport
import RPCWire

extension ClientConnection {
  /// A call that is about to be sent.
  struct Outgoing: Sendable {
    var method: MethodDescriptor
    var payload: [UInt8]
    var deadlineMs: UInt32
    var ticket: UInt64
  }

  /// Sends a call; `receiver` hears its end, also when it cannot be sent.
  func startCall(
    _ outgoing: Outgoing, _ receiver: Receiver, on reactor: isolated Reactor
  ) {
    guard phase == .open, let id = state.nextCallID() else {
      return Self.fail(receiver, notStarted())
    }
    guard outgoing.payload.count + FrameHeader.countedBytes <= peerMaximumFrameBytes else {
      return Self.fail(receiver, tooLong(outgoing.payload.count))
    }
    var deadline = Int64.max
    if outgoing.deadlineMs > 0 {
      // From the clock itself: on its way here the call may have waited for its turn.
      deadline = reactor.now.monotonicNanoseconds + Int64(outgoing.deadlineMs) * 1_000_000
      if deadline < nearestDeadline {
        nearestDeadline = deadline
        reactor.setDeadline(self, deadline)
      }
    }
    calls.insert(id, OpenCall(deadline: deadline, ticket: outgoing.ticket, receiver: receiver))
    let header = FrameHeader(
      .call, number: outgoing.method.id, call: id, time: outgoing.deadlineMs)
    writeFrame(header, outgoing.payload, on: reactor)
    if case .stream(let buffer) = receiver {
      writeFrame(
        FrameHeader(.credit, call: id, time: buffer.window), [], on: reactor)
    }
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

  /// Ends a call that the caller no longer wants, here and at the server.
  func cancel(ticket: UInt64, on reactor: isolated Reactor) {
    var found: UInt32?
    calls.forEach { id, call in if call.ticket == ticket { found = id } }
    guard let id = found, let call = calls.remove(id) else { return }
    writeFrame(FrameHeader(.cancel, call: id), [], on: reactor)
    Self.fail(
      call.receiver,
      RPCError(.cancelled, "the call was cancelled here", reason: WireReason.callCancelled))
    closeWhenDone(on: reactor)
  }

  /// Lets the server send so many more messages of a stream.
  func grant(ticket: UInt64, count: UInt32, on reactor: isolated Reactor) {
    var found: UInt32?
    calls.forEach { id, call in if call.ticket == ticket { found = id } }
    guard let id = found else { return }
    writeFrame(FrameHeader(.credit, call: id, time: count), [], on: reactor)
  }

  // MARK: From the server

  func complete(
    _ id: UInt32, code: UInt16, _ payload: UnsafeRawBufferPointer, on reactor: isolated Reactor
  ) {
    guard let call = calls.remove(id) else { return }
    if code == 0 {
      switch call.receiver {
      case .completion(let completion): completion(.success(unsafe Array(payload)))
      case .stream(let buffer): buffer.finish(nil)
      }
    } else {
      Self.fail(call.receiver, unsafe StatusReader.error(code: code, payload))
    }
    closeWhenDone(on: reactor)
  }

  func deliver(
    _ id: UInt32, _ payload: UnsafeRawBufferPointer, on reactor: isolated Reactor
  ) {
    guard let call = calls[id], case .stream(let buffer) = call.receiver else { return }
    buffer.append(unsafe Array(payload))
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
    for id in calls.callIDs where id > last {
      if let call = calls.remove(id) { Self.fail(call.receiver, error) }
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
    var expired: [UInt32] = []
    calls.forEach { id, call in
      if call.deadline <= now { expired.append(id) } else { nearest = min(nearest, call.deadline) }
    }
    nearestDeadline = nearest
    let error = RPCError(
      .deadlineExceeded, "no reply came in time; the call may have happened all the same",
      reason: WireReason.deadlineExceeded)
    for id in expired {
      if let call = calls.remove(id) { Self.fail(call.receiver, error) }
    }
    closeWhenDone(on: reactor)
  }

  static func fail(_ receiver: Receiver, _ error: RPCError) {
    switch receiver {
    case .completion(let completion): completion(.failure(error))
    case .stream(let buffer): buffer.finish(error)
    }
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

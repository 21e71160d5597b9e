import RPCTransport
import RPCWire

extension ServerConnection {
  /// Whether a frame must wait because it is the turn of another long one; then the input is held.
  func mustWait(_ header: FrameHeader) -> Bool {
    guard header.kind == FrameKind.call.rawValue, let name = context?.principal.name,
      loop.longMessages.mustWait(identifier, of: name)
    else { return false }
    hold()
    return true
  }

  /// Has the payload of an open call decoded on another thread, then handles it here.
  func decodeElsewhere(
    _ id: UInt32, _ payload: UnsafeRawBufferPointer,
    _ decode: @escaping ServiceRouter.LongDecoder, _ goesOn: Bool, on reactor: isolated Reactor
  ) {
    guard let principal else { return }
    let (token, bytes) = (token(id), payload.count)
    hold()
    hasLongTurn = false
    unsafe loop.longMessages.decode(
      keep(payload), of: principal.name, by: decode, on: reactor
    ) { handler, reactor in
      let connection = ServerConnection.find(token, on: reactor)
      connection?.handle(id, bytes, by: handler, goesOn, on: reactor)
      // Nil where the reactor has stopped.
      (reactor.attachment as? ServerLoop)?.longMessages.end(on: reactor)
      connection?.release(on: reactor)
    }
  }

  /// Gives away a turn for a long message that was not used.
  @inline(never)
  func passOnLongTurn(on reactor: isolated Reactor) {
    hasLongTurn = false
    loop.longMessages.passOn(identifier, on: reactor)
  }

  /// Runs the handler of a call whose payload was decoded elsewhere, unless the call has ended.
  private func handle(
    _ id: UInt32, _ bytes: Int, by handler: ServiceRouter.Handler, _ goesOn: Bool,
    on reactor: isolated Reactor
  ) {
    guard let call = calls[id], let context else { return }
    // Only now: what ended before is not begun.
    if goesOn { calls.update(id) { $0.goesOn = true } }
    let handle = CallHandle(
      token: token(id), deadlineNanoseconds: call.deadline, requestBytes: bytes,
      context: context)
    handler(
      unsafe IncomingCall(
        payload: UnsafeRawBufferPointer(start: nil, count: 0), handle: handle, now: reactor.now,
        stream: call.stream))
  }
}

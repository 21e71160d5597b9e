import RPCTransport
import RPCWire

extension ServerConnection {
  /// Whether a frame must wait because another long one is being decoded; then the input is held.
  func mustWait(_ header: FrameHeader) -> Bool {
    guard header.kind == FrameKind.call.rawValue, loop.longMessages.isBusy else { return false }
    loop.longMessages.wait(identifier)
    hold()
    return true
  }

  /// Has the payload of an open call decoded on another thread, then handles it here.
  func decodeElsewhere(
    _ id: UInt32, _ payload: UnsafeRawBufferPointer,
    _ decode: @escaping ServiceRouter.LongDecoder, _ goesOn: Bool, on reactor: isolated Reactor
  ) {
    let (token, bytes) = (token(id), payload.count)
    hold()
    unsafe loop.longMessages.decode(keep(payload), by: decode, on: reactor) { handler, reactor in
      let connection = ServerConnection.find(token, on: reactor)
      connection?.handle(id, bytes, by: handler, goesOn, on: reactor)
      // Nil where the reactor has stopped.
      (reactor.attachment as? ServerLoop)?.longMessages.end(on: reactor)
      connection?.release(on: reactor)
    }
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

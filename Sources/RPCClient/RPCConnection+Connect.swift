import Dispatch
import RPCInProcess
import RPCTransport
import RPCWire
import Synchronization

extension RPCConnection {
  /// Connects, says HELLO and returns when the server has answered it.
  ///
  /// Each of the host's addresses is tried for the limits' `helloTimeout` at most, and HELLO takes
  /// as long again at most. Errors: UNAVAILABLE when the server cannot be reached, UNAUTHENTICATED
  /// for a refused token.
  public static func connect(
    to address: ListenAddress, hello: ClientIdentity, limits: TransportLimits = TransportLimits()
  ) async throws(RPCError) -> RPCConnection {
    let timeoutMs = Int32(clamping: limits.helloTimeout.wholeNanoseconds / 1_000_000)
    let outcome = await withCheckedContinuation { continuation in
      // Name servers and a full backlog may block: not on a reactor, not on the task pool.
      connectQueue.async {
        continuation.resume(returning: Sockets.connect(to: address, timeoutMs: timeoutMs))
      }
    }
    let descriptor: Int32
    switch outcome {
    case .success(let connected): descriptor = connected
    case .failure(let error):
      throw RPCError(
        .unavailable, "cannot reach \(address): \(error.description)",
        reason: WireReason.serverUnreachable
      ).markedNotStarted()
    }
    let connection = RPCConnection(
      adopting: descriptor, hello: hello, limits: limits, reactor: try ClientReactors.next())
    if let error = await connection.shared.waitUntilGreeted() { throw error }
    return connection
  }

  private static let connectQueue = DispatchQueue(
    label: "rpc.client.connect", attributes: .concurrent)
}

/// The reactors that a process's client connections share.
enum ClientReactors {
  private static let reactor = Mutex<Reactor?>(nil)

  /// One reactor serves a program's few connections; it is made with the first one.
  static func next() throws(RPCError) -> Reactor {
    let result: Result<Reactor, SystemError> = reactor.withLock { reactor in
      if let reactor { return .success(reactor) }
      do throws(SystemError) {
        let made = try Reactor(label: "rpc.client")
        reactor = made
        return .success(made)
      } catch {
        return .failure(error)
      }
    }
    do {
      return try result.get()
    } catch {
      throw RPCError(.unavailable, error.description, reason: WireReason.serverUnreachable)
    }
  }
}

extension InProcessChannel: RPCChannel {
  /// The connection over this channel, made with its first call.
  private func connection() throws(RPCError) -> RPCConnection {
    let reactor = try ClientReactors.next()
    return client.withLock { client in
      if let connection = client as? RPCConnection { return connection }
      guard let descriptor = takeDescriptor() else {
        preconditionFailure("the end of an in-process channel was taken by somebody else")
      }
      let hello = ClientIdentity(token: "", clientName: "in-process", clientVersion: "")
      let connection = RPCConnection(
        adopting: descriptor, hello: hello, limits: TransportLimits(), reactor: reactor)
      client = connection
      return connection
    }
  }

  /// Makes one call and returns the reply's payload.
  ///
  /// Cancelling the task cancels the call.
  public func call(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions
  ) async throws(RPCError) -> [UInt8] {
    try await connection().call(method, payload: payload, options: options)
  }

  /// Starts a call that is answered with a stream of messages.
  public func stream(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions
  ) -> RawStream {
    RawStream { () async throws(RPCError) in
      try self.connection().stream(method, payload: payload, options: options)
    }
  }

  /// Closes the connection over this channel, if there is one.
  public func close() {
    (client.withLock { $0 } as? RPCConnection)?.close()
  }
}

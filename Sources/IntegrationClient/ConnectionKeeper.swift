import RPCClient
import RPCWire
import Synchronization

/// Keeps one connection: makes it when a call needs it, makes it again when it is lost.
///
/// All calls that wait share one try; none waits beyond its own deadline.
actor ConnectionKeeper {
  private typealias Waiter = CheckedContinuation<Result<RPCConnection, RPCError>, Never>

  private let configuration: ClientConfiguration
  private let clock = ContinuousClock()
  /// What calls take without a hop to this actor.
  private nonisolated let current = Mutex<RPCConnection?>(nil)
  private var waiters: [UInt64: Waiter] = [:]
  private var lastWaiter: UInt64 = 0
  private var connecting: Task<Void, Never>?
  private var backoff: Backoff
  private var notBefore: ContinuousClock.Instant?
  private var connectedAt: ContinuousClock.Instant?
  private var lastError: RPCError?
  private var isClosed = false

  init(_ configuration: ClientConfiguration) {
    self.configuration = configuration
    backoff = configuration.backoff
  }

  /// The connection, made if there is none.
  nonisolated func connection(
    until deadline: ContinuousClock.Instant?
  ) async throws(RPCError) -> RPCConnection {
    if let connection = connectionNow { return connection }
    return try await waitForConnection(until: deadline).get()
  }

  /// The connection if there is one that takes calls now.
  nonisolated var connectionNow: RPCConnection? {
    guard let connection = current.withLock({ $0 }), connection.isOpen else { return nil }
    return connection
  }

  /// Drops a connection that a call found to be of no use; calls that it still carries go on.
  func discard(_ connection: RPCConnection) {
    let wasCurrent = current.withLock { current in
      guard current === connection else { return false }
      current = nil
      return true
    }
    guard wasCurrent, !isClosed else { return }
    // A connection that lived long was a success; one that dies at once must not be made in a loop.
    if let connectedAt, clock.now - connectedAt > backoff.maximum { backoff.succeeded() }
    notBefore = clock.now + backoff.failed()
    if !waiters.isEmpty { startConnecting() }
  }

  /// Closes the connection and fails everything that waits for one.
  func close() {
    isClosed = true
    connecting?.cancel()
    let connection = current.withLock { current in
      defer { current = nil }
      return current
    }
    connection?.close()
    resumeAll(with: .failure(Self.closedError))
  }

  // MARK: Waiting

  private func waitForConnection(
    until deadline: ContinuousClock.Instant?
  ) async -> Result<RPCConnection, RPCError> {
    if isClosed { return .failure(Self.closedError) }
    if let connection = connectionNow { return .success(connection) }
    if let closing = current.withLock({ $0 }) { discard(closing) }
    lastWaiter += 1
    let waiter = lastWaiter
    startConnecting()
    let timer = deadline.map { deadline in
      Task {
        try await Task.sleep(until: deadline, clock: clock)
        expire(waiter)
      }
    }
    defer { timer?.cancel() }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { waiters[waiter] = $0 }
    } onCancel: {
      // Runs behind the registration above, which does not suspend before it.
      Task { await self.cancel(waiter) }
    }
  }

  private func expire(_ waiter: UInt64) {
    let error =
      lastError
      ?? RPCError(
        .deadlineExceeded, "no connection to \(configuration.server) before the deadline",
        reason: WireReason.deadlineExceeded)
    waiters.removeValue(forKey: waiter)?.resume(returning: .failure(error.markedNotStarted()))
  }

  private func cancel(_ waiter: UInt64) {
    let error = RPCError(
      .cancelled, "the caller cancelled the call", reason: WireReason.callCancelled)
    waiters.removeValue(forKey: waiter)?.resume(returning: .failure(error))
  }

  private func resumeAll(with result: Result<RPCConnection, RPCError>) {
    let resumed = waiters
    waiters = [:]
    for waiter in resumed.values { waiter.resume(returning: result) }
  }

  // MARK: Connecting

  private func startConnecting() {
    guard connecting == nil, !isClosed else { return }
    connecting = Task {
      await connect()
      connecting = nil
      if !waiters.isEmpty, connectionNow == nil { startConnecting() }
    }
  }

  private func connect() async {
    while !isClosed, !waiters.isEmpty {
      if let notBefore, configuration.patience == .waitsForServer {
        try? await Task.sleep(until: notBefore, clock: clock)
      }
      do throws(RPCError) {
        let connection = try await RPCConnection.connect(
          to: configuration.server, hello: configuration.identity, limits: configuration.limits)
        return adopt(connection)
      } catch {
        lastError = error
        let pause = backoff.failed(retryAfter: .milliseconds(error.retryAfterMs))
        notBefore = clock.now + pause
        if configuration.patience == .failsAtOnce || !Repetition.mayConnectLater(error) {
          return resumeAll(with: .failure(error))
        }
        if !isClosed { configuration.onConnectFailure(error) }
      }
    }
  }

  private func adopt(_ connection: RPCConnection) {
    guard !isClosed else { return connection.close() }
    current.withLock { $0 = connection }
    connectedAt = clock.now
    lastError = nil
    Task {
      _ = await connection.closed
      discard(connection)
    }
    resumeAll(with: .success(connection))
  }

  private static let closedError = RPCError(
    .cancelled, "the client is closed", reason: WireReason.callCancelled)
}

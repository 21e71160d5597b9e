import IntegrationAPI
import RPCClient
import RPCWire

/// Calls to an Integration Manager over one connection that is made again when it is lost.
///
/// ```swift
/// let client = IntegrationClient(configuration)
/// let status = try await client.operators.getStatus(GetStatusRequest())
/// ```
///
/// The connection opens with the first call. Many calls are in flight at once, from any thread; the
/// order of their replies is the server's. Each has a deadline: its own, or the method's default.
/// When the connection is lost, a call that the server did not start is sent again, and so is one
/// that a repeat cannot do twice (see `ReportLog`'s log id and sequence); any other fails with
/// UNAVAILABLE, reason CONNECTION_LOST, and its outcome is unknown.
///
/// A program that makes hundreds of thousands of calls a second makes them without tasks, on the
/// connection itself, and repeats what is lost by its own rules:
///
/// ```swift
/// let reports = AgentServiceCallers(try await client.connect()).reportLog { reply in … }
/// ```
///
/// - Important: A `ReportLog` with sequence 0 is repeated too and its record errors may then be
///   stored twice; count reports from 1.
public final class IntegrationClient: RPCChannel {
  /// What the client was made with.
  public let configuration: ClientConfiguration
  private let keeper: ConnectionKeeper
  private let clock = ContinuousClock()

  /// Makes a client; nothing is sent before the first call.
  public init(_ configuration: ClientConfiguration) {
    self.configuration = configuration
    keeper = ConnectionKeeper(configuration)
  }

  /// What an integration's agent calls.
  public var agents: AgentServiceClient { AgentServiceClient(channel: self) }

  /// What operators call.
  public var operators: OperatorServiceClient { OperatorServiceClient(channel: self) }

  /// Connects if there is no connection.
  ///
  /// - Parameter deadline: How long to wait at most; nil: without end where the configuration waits
  ///   for the server.
  /// - Returns: The connection, whose `closed` tells when it is lost.
  /// - Throws: `RPCError` with UNAVAILABLE when the server cannot be reached, UNAUTHENTICATED when
  ///   it does not know the token.
  @discardableResult
  public func connect(within deadline: Duration? = nil) async throws(RPCError) -> RPCConnection {
    try await keeper.connection(until: deadline.map { clock.now + $0 })
  }

  /// Makes one call; see the type's description for what happens when the connection is lost.
  public func call(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions
  ) async throws(RPCError) -> [UInt8] {
    let span = options.deadline ?? Self.defaultDeadline(of: method)
    let deadline = span.map { clock.now + $0 }
    var backoff = configuration.backoff
    while true {
      let connection = try await keeper.connection(until: deadline)
      do throws(RPCError) {
        let rest = deadline.map { max($0 - clock.now, .milliseconds(1)) }
        return try await connection.call(
          method, payload: payload, options: CallOptions(deadline: rest))
      } catch {
        if Repetition.lostConnection(error) { await keeper.discard(connection) }
        guard await canRepeat(method, after: error, &backoff, before: deadline) else { throw error }
      }
    }
  }

  /// Starts a call that is answered with a stream; a stream that is lost is not started again.
  public func stream(
    _ method: MethodDescriptor, payload: [UInt8], options: CallOptions
  ) -> RawStream {
    if let connection = keeper.connectionNow {
      return connection.stream(method, payload: payload, options: options)
    }
    let keeper = keeper
    let deadline = options.deadline.map { clock.now + $0 }
    return RawStream { () async throws(RPCError) in
      let connection = try await keeper.connection(until: deadline)
      return connection.stream(method, payload: payload, options: options)
    }
  }

  /// Closes the connection; calls in flight and later ones fail.
  public func close() async {
    await keeper.close()
  }

  /// Whether to send the call again now; waits where the decision says later.
  private func canRepeat(
    _ method: MethodDescriptor, after error: RPCError, _ backoff: inout Backoff,
    before deadline: ContinuousClock.Instant?
  ) async -> Bool {
    let pause = backoff.failed(retryAfter: .milliseconds(error.retryAfterMs))
    if configuration.patience == .failsAtOnce, backoff.failures > 2 { return false }
    if let deadline, clock.now + pause >= deadline { return false }
    switch Repetition.decide(method, after: error) {
    case .no:
      return false
    case .onNewConnection:
      // The keeper waits before it connects again.
      return !Task.isCancelled
    case .later:
      try? await Task.sleep(for: pause)
      return !Task.isCancelled
    }
  }

  private static func defaultDeadline(of method: MethodDescriptor) -> Duration? {
    method.defaultDeadlineMs == 0 ? nil : .milliseconds(method.defaultDeadlineMs)
  }
}

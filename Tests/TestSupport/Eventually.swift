/// A condition that did not come true in time.
public struct NotInTime: Error, CustomStringConvertible {
  /// What was waited for, and what was seen last.
  public let description: String

  /// Makes the error from the awaited condition and its limit.
  public init(_ expectation: String, within limit: Duration, lastSeen: String = "") {
    let seen = lastSeen.isEmpty ? "" : "; last seen: \(lastSeen)"
    description = "expected within \(limit): \(expectation)\(seen)"
  }
}

/// Asks `probe` again and again until it answers something, at most for `limit`.
///
/// The pause between two questions is short and fixed; what decides is the condition. An error
/// that `probe` throws ends the wait only when `limit` has passed, because a server that is just
/// starting refuses connections at first.
@discardableResult
public func eventually<Value>(
  _ expectation: String, within limit: Duration = .seconds(60),
  probe: () async throws -> Value?
) async throws -> Value {
  let clock = ContinuousClock()
  let limit = limit * Slowness.factor
  let end = clock.now + limit
  var lastError = ""
  repeat {
    do {
      if let value = try await probe() { return value }
      lastError = ""
    } catch {
      lastError = String(describing: error)
    }
    try await clock.sleep(for: .milliseconds(5))
  } while clock.now < end
  throw NotInTime(expectation, within: limit, lastSeen: lastError)
}

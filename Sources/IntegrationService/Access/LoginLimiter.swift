/// Where a login comes from, as far as failures of it are counted together.
///
/// An IPv6 host has a whole /64 of addresses to choose from, so that counts as one.
enum LoginSource: Hashable, CustomStringConvertible {
  case ipv4(UInt32)
  /// The upper half of the address.
  case ipv6(UInt64)
  /// A user of this machine, on a Unix socket.
  case user(UInt32)
  /// All that are not told apart: those for which the table has no room, and what has no address.
  case others

  /// Text for the log and for the one who is limited.
  var description: String {
    switch self {
    case .ipv4(let bits):
      (0..<4).map { String(bits >> (24 - 8 * UInt32($0)) & 0xff) }.joined(separator: ".")
    case .ipv6(let prefix):
      (0..<4).map { String(prefix >> (48 - 16 * UInt64($0)) & 0xffff, radix: 16) }
        .joined(separator: ":") + "::/64"
    case .user(let id): "user-\(id)"
    case .others: "other-addresses"
    }
  }
}

/// How many failed logins are answered one by one, for each source a bucket of tokens.
///
/// A value without a clock: time is a parameter, in milliseconds of a clock that never goes back.
/// A source that has failed is kept until its bucket is full again, and nothing puts it out before:
/// whoever fills the table with other addresses is not forgotten. Sources beyond the table's size
/// share one bucket.
struct LoginLimiter {
  /// How much is allowed.
  struct Limits: Equatable {
    /// Failures of one source at once.
    var burst: Int
    /// After how long one more is allowed.
    var intervalMs: Int64
    /// How many sources are told apart.
    var maximumSources: Int
  }

  /// What becomes of a failed login.
  enum Verdict: Equatable {
    /// It is answered with what is wrong.
    case explained
    /// It is one too many; after this time one is explained again.
    case limited(retryAfterMs: Int64)
  }

  let limits: Limits
  /// When the bucket of a source will be full again.
  private var fullAt: [LoginSource: Int64] = [:]
  private var nextSweep = Int64.min

  init(limits: Limits) {
    self.limits = limits
  }

  /// How many sources are kept now.
  var count: Int { fullAt.count }

  /// The source whose bucket a failure of `source` is taken from at a time.
  mutating func bucket(of source: LoginSource, at nowMs: Int64) -> LoginSource {
    if fullAt[source] != nil { return source }
    if fullAt.count >= limits.maximumSources { sweep(at: nowMs) }
    return fullAt.count < limits.maximumSources ? source : .others
  }

  /// A login of a source failed.
  mutating func failed(_ source: LoginSource, at nowMs: Int64) -> Verdict {
    #if PLANTED_NO_LOGIN_LIMIT
      return .explained
    #else
      let source = bucket(of: source, at: nowMs)
      let next = max(fullAt[source] ?? nowMs, nowMs) + limits.intervalMs
      let early = next - nowMs - Int64(limits.burst) * limits.intervalMs
      guard early <= 0 else { return .limited(retryAfterMs: early) }
      fullAt[source] = next
      return .explained
    #endif
  }

  /// Forgets sources whose buckets are full: nothing is known of them that matters.
  ///
  /// At most once in an interval, because it looks at each.
  private mutating func sweep(at nowMs: Int64) {
    guard nowMs >= nextSweep else { return }
    nextSweep = nowMs + limits.intervalMs
    fullAt = fullAt.filter { $0.value > nowMs }
  }
}

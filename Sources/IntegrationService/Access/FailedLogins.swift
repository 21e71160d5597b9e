import Glibc
import RPCWire
import Synchronization

/// Limits failed logins, counts them, and says once a minute that there were some.
///
/// A right key or token always opens its connection, wherever it comes from: behind one address may
/// be a whole office. Safe to use from any thread.
final class FailedLogins: Sendable {
  /// How long the log waits at least between two lines.
  static let lineIntervalMs: Int64 = 60_000

  private struct State {
    var limiter: LoginLimiter
    /// Since the last line.
    var unsaid = 0
    var unsaidLimited = 0
    var last: (source: LoginSource, credential: String)?
    var saidAtMs: Int64?
    /// Since the start.
    var total: UInt64 = 0
    var limited: UInt64 = 0
  }

  private let state: Mutex<State>

  init(limits: ServiceLimits) {
    let own = LoginLimiter.Limits(
      burst: limits.maximumFailedLogins,
      intervalMs: limits.failedLoginInterval.wholeMilliseconds,
      maximumSources: limits.maximumLoginAddresses)
    state = Mutex(State(limiter: LoginLimiter(limits: own)))
  }

  /// A login failed with an error; the error with which it is answered.
  ///
  /// `credential` names what was shown without its secret, for the log.
  func answer(
    to peer: PeerAddress, _ error: RPCError, credential: String, atMs nowMs: Int64
  ) -> RPCError {
    let source = LoginSource(peer)
    return state.withLock { state in
      let verdict = state.limiter.failed(source, at: nowMs)
      state.total += 1
      state.unsaid += 1
      state.last = (source, credential)
      guard case .limited(let retryAfterMs) = verdict else { return error }
      state.limited += 1
      state.unsaidLimited += 1
      return .tooManyFailedLogins(source, state.limiter.limits, retryAfterMs: retryAfterMs)
    }
  }

  /// Failed logins since the start, and those of them that were not explained any more.
  var counts: (total: UInt64, limited: UInt64) {
    state.withLock { ($0.total, $0.limited) }
  }

  /// A line for the log when there is something to say and the last one is a minute old.
  func takeLine(atMs nowMs: Int64) -> String? {
    state.withLock { state in
      guard state.unsaid > 0, let last = state.last,
        state.saidAtMs.map({ nowMs - $0 >= Self.lineIntervalMs }) ?? true
      else { return nil }
      let line =
        "level=warning event=failed_logins count=\(state.unsaid) limited=\(state.unsaidLimited) "
        + "last_from=\(last.source) last_credential=\(last.credential)"
      state.saidAtMs = nowMs
      state.unsaid = 0
      state.unsaidLimited = 0
      return line
    }
  }
}

extension LoginSource {
  /// Where a peer's failures are counted.
  init(_ peer: PeerAddress) {
    switch peer {
    case .unix(let userID, _): self = .user(userID)
    case .inProcess: self = .others
    case .tcp: self = LoginSource(host: peer.host)
    }
  }

  /// Reads an address without port and brackets; text that is none counts with all others.
  init(host: String) {
    var four = in_addr()
    var six = in6_addr()
    if unsafe inet_pton(AF_INET, host, &four) == 1 {
      self = .ipv4(UInt32(bigEndian: four.s_addr))
    } else if unsafe inet_pton(AF_INET6, String(host.prefix { $0 != "%" }), &six) == 1 {
      self = unsafe withUnsafeBytes(of: six) { bytes in
        let upper = unsafe UInt64(bigEndian: bytes.load(as: UInt64.self))
        let lower = unsafe UInt64(bigEndian: bytes.load(fromByteOffset: 8, as: UInt64.self))
        // ::ffff:192.0.2.7 is an IPv4 peer on a socket of both families (RFC 4291, 2.5.5.2).
        let isMapped = upper == 0 && lower >> 32 == 0xffff
        return isMapped ? .ipv4(UInt32(truncatingIfNeeded: lower)) : .ipv6(upper)
      }
    } else {
      self = .others
    }
  }
}

extension RPCError {
  /// UNAUTHENTICATED as what it stands for: the key does not work, and a repeat does not either.
  fileprivate static func tooManyFailedLogins(
    _ source: LoginSource, _ limits: LoginLimiter.Limits, retryAfterMs: Int64
  ) -> RPCError {
    RPCError(
      .unauthenticated,
      "the key or token is refused; why is not said, because more than \(limits.burst) logins from "
        + "\(source) failed (one more is explained every "
        + "\(Duration.milliseconds(limits.intervalMs).flagText)): show one that works, or look at "
        + "this one again in \(max(1, (retryAfterMs + 999) / 1_000)) s",
      reason: WireReason.tooManyFailedLogins
    ).retryAfter(milliseconds: UInt32(clamping: retryAfterMs))
  }
}

import Credentials
import IntegrationAPI
import RPCServer
import RPCWire
import Testing

@testable import IntegrationService

@Suite("Failed logins are limited by where they come from")
struct LoginLimiterTests {
  static let one = LoginSource(host: "192.0.2.1")
  static let two = LoginSource(host: "192.0.2.2")

  static func limiter(burst: Int = 3, maximumSources: Int = 8) -> LoginLimiter {
    LoginLimiter(
      limits: LoginLimiter.Limits(
        burst: burst, intervalMs: 1_000, maximumSources: maximumSources))
  }

  @Test("A burst is explained, then one in each interval")
  func bucket() {
    var limiter = Self.limiter()
    let verdicts = [0, 0, 0, 0, 999, 1_000, 1_000, 2_500].map {
      limiter.failed(Self.one, at: $0)
    }
    #expect(
      verdicts == [
        .explained, .explained, .explained, .limited(retryAfterMs: 1_000),
        .limited(retryAfterMs: 1), .explained, .limited(retryAfterMs: 1_000), .explained,
      ])
  }

  @Test("A bucket fills up again and holds no more than the burst")
  func refill() {
    var limiter = Self.limiter()
    for _ in 0..<3 { _ = limiter.failed(Self.one, at: 0) }
    let later = (0..<4).map { _ in limiter.failed(Self.one, at: 1_000_000) }
    #expect(later.prefix(3).allSatisfy { $0 == .explained })
    #expect(later.last == .limited(retryAfterMs: 1_000))
  }

  @Test("One address does not limit another")
  func apart() {
    var limiter = Self.limiter()
    for _ in 0..<9 { _ = limiter.failed(Self.one, at: 0) }
    #expect(limiter.failed(Self.two, at: 0) == .explained)
  }

  @Test("Whoever fills the table is not forgotten, and those beyond it share one bucket")
  func fullTable() {
    var limiter = Self.limiter()
    for _ in 0..<4 { _ = limiter.failed(Self.one, at: 0) }
    for host in 10..<200 { _ = limiter.failed(LoginSource(host: "192.0.2.\(host)"), at: 1) }
    #expect(limiter.count == 9)
    guard case .limited = limiter.failed(Self.one, at: 2) else {
      Issue.record("the table has forgotten one that was limited")
      return
    }
    guard case .limited = limiter.failed(LoginSource(host: "198.51.100.1"), at: 2) else {
      Issue.record("an address beyond the table has a bucket of its own")
      return
    }
  }

  @Test("Addresses whose buckets are full make room")
  func sweep() {
    var limiter = Self.limiter()
    for host in 0..<8 { _ = limiter.failed(LoginSource(host: "192.0.2.\(host)"), at: 0) }
    #expect(limiter.bucket(of: LoginSource(host: "198.51.100.1"), at: 500) == .others)
    #expect(
      limiter.bucket(of: LoginSource(host: "198.51.100.1"), at: 1_600)
        == LoginSource(host: "198.51.100.1"))
    #expect(limiter.count == 0)
  }

  @Test(
    "An IPv4 address, an IPv6 /64 and a user are one source each",
    arguments: [
      (PeerAddress.tcp("192.0.2.7:1234"), "192.0.2.7"),
      (.tcp("[::ffff:192.0.2.7]:1234"), "192.0.2.7"),
      (.tcp("[2001:db8:1:2:3:4:5:6]:1"), "2001:db8:1:2::/64"),
      (.tcp("[2001:db8:1:2::ffff]:2"), "2001:db8:1:2::/64"),
      (.tcp("[fe80::1%eth0]:2"), "fe80:0:0:0::/64"),
      (.unix(userID: 1_001, processID: 7), "user-1001"),
      (.tcp("unknown"), "other-addresses"), (.inProcess, "other-addresses"),
    ])
  func sources(peer: PeerAddress, text: String) {
    #expect("\(LoginSource(peer))" == text)
  }
}

@Suite("What failed logins are told")
struct FailedLoginTests {
  static func reason(_ result: Result<Principal, RPCError>) -> String {
    AuthenticationTests.reason(result)
  }

  @Test("Beyond the limit no refusal says why, and a right key passes")
  func limited() async throws {
    let harness = try await Harness()
    let secret = try await harness.createIntegration()
    let authenticator = harness.service.authenticator
    let limit = ServiceLimits().maximumFailedLogins
    let wrong = AuthenticationTests.credential(try AccessKey.generate(.integration).secretText)
    for _ in 0..<limit {
      #expect(Self.reason(authenticator.authenticate(wrong)) == "UNAUTHENTICATED TOKEN_INVALID")
    }
    for token in [wrong.token, Array("imk_".utf8), Array(secret.utf8.dropLast())] {
      let credential = AuthenticationTests.credential(String(decoding: token, as: UTF8.self))
      guard case .failure(let error) = authenticator.authenticate(credential) else {
        Issue.record("a wrong key was taken")
        continue
      }
      #expect(error.code == .unauthenticated)
      #expect(error.reason == WireReason.tooManyFailedLogins)
      #expect(error.message.contains("more than 10 logins from 127.0.0.1 failed"))
      #expect((1...6_000).contains(error.retryAfterMs))
    }
    let right = AuthenticationTests.credential(secret)
    #expect(Self.reason(authenticator.authenticate(right)) == "integration:customsoft")
    let elsewhere = AuthenticationTests.credential("x", peer: .tcp("192.0.2.1:5"))
    #expect(
      Self.reason(authenticator.authenticate(elsewhere)) == "UNAUTHENTICATED TOKEN_INVALID")
    let counters = try await harness.operators.getServerInfo(GetServerInfoRequest()).counters
    #expect(counters["failed_logins"] == UInt64(limit) + 4)
    #expect(counters["failed_logins_limited"] == 3)
  }

  @Test("No token is no login: it is told what is missing, however often")
  func withoutToken() async throws {
    let harness = try await Harness()
    let empty = AuthenticationTests.credential("")
    for _ in 0..<30 {
      #expect(
        Self.reason(harness.service.authenticator.authenticate(empty))
          == "UNAUTHENTICATED TOKEN_MISSING")
    }
  }

  @Test("The log has one line a minute, with the last credential's name and nothing more of it")
  func lines() throws {
    let logins = FailedLogins(limits: ServiceLimits())
    #expect(logins.takeLine(atMs: 0) == nil)
    let key = try AccessKey.generate(.integration)
    let error = RPCError(.unauthenticated, "no", reason: "TOKEN_INVALID")
    for _ in 0..<12 {
      _ = logins.answer(to: .tcp("192.0.2.1:5"), error, credential: "\(key)", atMs: 5)
    }
    #expect(
      logins.takeLine(atMs: 10)
        == "level=warning event=failed_logins count=12 limited=2 last_from=192.0.2.1 "
        + "last_credential=imk_\(key.id)…")
    _ = logins.answer(to: .tcp("192.0.2.2:5"), error, credential: "malformed", atMs: 20)
    #expect(logins.takeLine(atMs: 60_009) == nil)
    #expect(logins.takeLine(atMs: 60_010)?.contains("count=1 limited=0") == true)
    #expect(logins.takeLine(atMs: 600_000) == nil)
  }
}

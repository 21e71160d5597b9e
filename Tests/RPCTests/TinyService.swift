import Dispatch
import RPCTransport
import RPCWire
import Synchronization

@testable import RPCServer

/// A service of a few methods whose payloads are plain bytes.
final class TinyService: Sendable {
  static let echo = method(1, "Echo")
  /// Answered only when the test says so.
  static let hold = method(2, "Hold")
  /// Sends as many messages as the payload's first byte says, each with its number.
  static let count = method(3, "Count", streaming: true)
  /// Answered from another thread through a `ReplyBatch`.
  static let batch = method(4, "Batch")
  /// Answers with 2 to the power of the payload's first byte bytes.
  static let large = method(5, "Large")
  /// Keeps the reactor busy for a millisecond.
  static let busy = method(7, "Busy")
  /// Answered from another thread through the call itself.
  static let elsewhere = method(6, "Elsewhere")

  /// Its long payloads are decoded elsewhere, as long as the test wants; answers with the payload.
  static let long = method(8, "Long")

  /// Sends as many messages of 200,000 bytes as the payload says, each with its number.
  static let bulk = method(9, "Bulk", streaming: true)

  /// As `Hold`, and goes on when its call has ended.
  static let job = method(10, "Job")

  static func method(_ id: UInt16, _ name: String, streaming: Bool = false) -> MethodDescriptor {
    MethodDescriptor(
      id: id, service: "tiny.v1.TinyService", name: name, isServerStreaming: streaming,
      defaultDeadlineMs: 10_000)
  }

  struct State {
    var held: [CallHandle] = []
    var ended: [CallToken] = []
    var opened: [String] = []
    var closed: [String] = []
    var drains = 0
    var credentials: [Credential] = []
    var longCount = 0
    /// The first byte of each long payload, in the order in which they began to be decoded.
    var longOrder: [UInt8] = []
  }

  let state = Mutex(State())
  private let queue = DispatchQueue(label: "tiny.service")
  private let decoding = DispatchSemaphore(value: 0)

  var heldCount: Int { state.withLock { $0.held.count } }
  /// How many long payloads have begun to be decoded.
  var longCount: Int { state.withLock { $0.longCount } }
  var endedCalls: [UInt32] { state.withLock { $0.ended.map(\.callID) } }

  func answerHeld(_ bytes: [UInt8] = []) {
    let held = state.withLock { state in
      defer { state.held = [] }
      return state.held
    }
    for call in held { call.reply(bytes: bytes) }
  }

  /// Lets one long payload be decoded to its end.
  func decodeOne() { decoding.signal() }

  private func decodeLong(_ payload: ReceivedBytes) -> ServiceRouter.Handler {
    state.withLock { state in
      state.longCount += 1
      state.longOrder.append(payload.bytes.first ?? 0)
    }
    decoding.wait()
    let bytes = Array(payload.bytes)
    return { call in call.handle.reply(bytes: bytes) }
  }

  func makeRouter() -> ServiceRouter {
    var router = ServiceRouter()
    router.register(Self.echo) { call in call.handle.reply(bytes: Array(call.payload)) }
    router.register(Self.hold) { [self] call in
      let handle = call.handle
      state.withLock { $0.held.append(handle) }
    }
    router.register(Self.count) { call in
      Counting(ServerStream<[UInt8]>(call), limit: call.payload.first ?? 0).run()
    }
    router.register(Self.bulk) { [queue] call in
      let counting = Counting(
        ServerStream<[UInt8]>(call), limit: call.payload.first ?? 0, messageBytes: 200_000)
      // What does not fit at first is sent on from the reactor.
      queue.async { counting.run() }
    }
    router.register(Self.batch) { [queue] call in
      let token = call.handle.token
      let bytes = Array(call.payload)
      queue.async {
        var batch = ReplyBatch()
        batch.reply(token, bytes: bytes)
        batch.flush()
      }
    }
    router.register(Self.large) { call in
      call.handle.reply(
        bytes: [UInt8](repeating: 7, count: 1 << min(22, Int(call.payload.first ?? 0))))
    }
    router.register(Self.busy) { call in
      let end = ContinuousClock.now + .milliseconds(1)
      while ContinuousClock.now < end {}
      call.handle.reply(bytes: [])
    }
    router.register(Self.elsewhere) { [queue] call in
      let handle = call.handle
      let bytes = Array(call.payload)
      queue.async { handle.reply(bytes: bytes) }
    }
    router.register(
      Self.long, decodingLong: { [self] payload, _ in decodeLong(payload) },
      { call in call.handle.reply(bytes: []) })
    router.register(Self.job) { [self] call in
      let handle = call.handle
      state.withLock { $0.held.append(handle) }
    }
    router.markGoesOn(Self.job)
    router.markGoesOn(Self.long)
    return router
  }
}

/// Sends numbers as credit allows.
final class Counting: Sendable {
  private let stream: ServerStream<[UInt8]>
  private let limit: UInt8
  private let messageBytes: Int
  private let next = Mutex<UInt8>(0)

  init(_ stream: ServerStream<[UInt8]>, limit: UInt8, messageBytes: Int = 1) {
    self.stream = stream
    self.limit = limit
    self.messageBytes = messageBytes
  }

  func run() {
    stream.onReady { self.send() }
    send()
  }

  private func send() {
    let isDone = next.withLock { next in
      while next < limit {
        let message = [UInt8](repeating: next, count: messageBytes)
        guard stream.send(bytes: message) == .sent else { return false }
        next += 1
      }
      return true
    }
    if isDone { stream.finish() }
  }
}

extension TinyService: ConnectionObserver {
  func connectionOpened(_ connection: ConnectionID, _ principal: Principal) {
    state.withLock { $0.opened.append(principal.name) }
  }
  func connectionClosed(_ connection: ConnectionID, _ principal: Principal) {
    state.withLock { $0.closed.append(principal.name) }
  }
  func callEnded(_ token: CallToken) {
    state.withLock { $0.ended.append(token) }
  }
  func drainBegan() {
    state.withLock { $0.drains += 1 }
  }
}

extension TinyService: Authenticator {
  static let goodToken = "good"
  static let oneTooMany = "one too many"

  func authenticate(_ credential: Credential) -> Result<Principal, RPCError> {
    state.withLock { $0.credentials.append(credential) }
    let token = String(decoding: credential.token, as: UTF8.self)
    // Further principals: `good a` names `operator:a`.
    if token.hasPrefix("good ") {
      let name = "operator:\(token.dropFirst(5))"
      return .success(Principal(name: name, kind: .operator, id: 2, credentialID: token))
    }
    guard token == Self.goodToken else {
      let reason =
        token == Self.oneTooMany ? WireReason.tooManyFailedLogins : WireReason.tokenInvalid
      return .failure(RPCError(.unauthenticated, "the token is not known", reason: reason))
    }
    return .success(
      Principal(name: "operator:test", kind: .operator, id: 1, credentialID: "key-1"))
  }
}

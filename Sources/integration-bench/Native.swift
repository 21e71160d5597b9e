import CBenchLoad
import Glibc
import RPCWire

/// Where the load goes and what opens it.
struct LoadTarget {
  var address: ListenAddress
  var token: String
  /// The action type that reports name.
  var action = "bench_export"
}

/// The outcome of a raw-frame load.
struct RawLoadOutcome {
  let histogram: Histogram
  let seconds: Double
  /// Answered with success, warm-up and last calls included.
  let answered: UInt64
  let failed: UInt64
  let unanswered: UInt64
  /// Why the load stopped early, or the first refusal; nil when there is neither.
  let fault: String?
  /// What was done in the measured time, where it is not the histogram's count.
  var calls: UInt64?
}

/// Tells a load on another thread that it may end.
@safe final class StopFlag: @unchecked Sendable {
  // Safe: the place is owned, one whole number, and written once.

  fileprivate let place = UnsafeMutablePointer<Int32>.allocate(capacity: 1)

  init() { unsafe place.initialize(to: 0) }
  deinit { unsafe place.deallocate() }

  func set() { unsafe place.pointee = 1 }
}

/// The C load, echo, append and idle connections, with Swift values.
enum Native {
  /// Runs a raw-frame load on the calling thread: for the shape's time, or exactly `calls` calls
  /// within it; with `perSecond` at that pace, until `stop` is set.
  static func load(
    _ kind: cbl_load_kind, on target: LoadTarget, _ shape: LoadShape, calls: UInt64 = 0,
    perSecond: Double = 0, stop: StopFlag? = nil
  ) -> RawLoadOutcome {
    unsafe withOptions(
      kind, on: target, shape, calls: calls, perSecond: perSecond, stop: stop
    ) { options in
      let histogram = Histogram()
      return unsafe histogram.fill { storage in
        var result = unsafe cbl_load_result()
        unsafe result.latency = storage
        _ = unsafe cbl_load(options, &result)
        return unsafe RawLoadOutcome(
          histogram: histogram, seconds: result.seconds, answered: result.answered,
          failed: result.failed, unanswered: result.unanswered, fault: fault(in: result))
      }
    }
  }

  /// Lets this program and those that it starts open thousands of connections.
  static func raiseDescriptorLimit() { cbl_raise_descriptor_limit() }

  /// Opens connections that wait in PollRequests, for as long as `body` runs; `body` is given a
  /// function that counts the polls that were answered too early.
  static func withIdlePolls<Result>(
    on target: LoadTarget, count: Int, body: (_ answered: () -> UInt32) async throws -> Result
  ) async throws -> Result {
    let shape = LoadShape(connections: count, inFlight: 1, warmup: 0, seconds: 0)
    var error = [CChar](repeating: 0, count: Int(CBL_ERROR_ROOM))
    let idle = unsafe withOptions(CBL_LOAD_HEARTBEAT, on: target, shape) {
      unsafe cbl_idle_open($0, &error)
    }
    guard let idle = unsafe idle else { throw BenchError(.unreachable, text(error)) }
    defer { unsafe cbl_idle_close(idle) }
    return try await body { unsafe cbl_idle_answered(idle) }
  }

  /// Runs `body` beside a raw epoll echo and gives it the echo's port.
  static func withEcho<Result>(_ body: (UInt16) throws -> Result) throws -> Result {
    var port: UInt16 = 0
    guard let echo = unsafe cbl_echo_start(&port) else { throw BenchError.system("raw echo") }
    defer { unsafe cbl_echo_stop(echo) }
    return try body(port)
  }

  /// Appends blocks of 4 KiB with fdatasync after each, for a time.
  static func append(to path: String, seconds: Double) throws -> Histogram {
    let histogram = Histogram()
    let outcome = unsafe histogram.fill { unsafe cbl_append(path, 4096, seconds, $0) }
    guard outcome == 0 else { throw BenchError.system("append to \(path)") }
    return histogram
  }

  static func withOptions<Result>(
    _ kind: cbl_load_kind, on target: LoadTarget, _ shape: LoadShape, calls: UInt64 = 0,
    perSecond: Double = 0, stop: StopFlag? = nil,
    body: (UnsafePointer<cbl_load_options>) -> Result
  ) -> Result {
    var options = unsafe cbl_load_options()
    unsafe options.kind = kind
    unsafe options.connections = UInt32(shape.connections)
    unsafe options.in_flight = UInt32(shape.inFlight)
    unsafe options.warmup_seconds = shape.warmup
    unsafe options.seconds = shape.seconds
    unsafe options.calls = calls
    unsafe options.calls_per_second = perSecond
    if let stop { unsafe options.stop = UnsafePointer(stop.place) }
    unsafe options.seed = UInt64.random(in: 1...UInt64.max)
    let texts =
      switch target.address {
      case .unix(let path): [path, "", "", target.token, target.action]
      case .tcp(let host, let port): ["", host, "\(port)", target.token, target.action]
      }
    let copies = unsafe texts.map { unsafe strdup($0) }
    defer { unsafe copies.forEach { unsafe free($0) } }
    unsafe options.unix_path = texts[0].isEmpty ? nil : UnsafePointer(copies[0])
    unsafe options.host = UnsafePointer(copies[1])
    unsafe options.port = UnsafePointer(copies[2])
    unsafe options.token = UnsafePointer(copies[3])
    unsafe options.action = UnsafePointer(copies[4])
    return unsafe body(&options)
  }

  static func fault(in result: cbl_load_result) -> String? {
    let error = unsafe withUnsafeBytes(of: result.error) {
      unsafe text(Array($0.bindMemory(to: CChar.self)))
    }
    guard unsafe result.failed > 0 else { return error.isEmpty ? nil : error }
    let payload = unsafe withUnsafeBytes(of: result.failure) {
      unsafe Array($0.prefix(Int(result.failure_bytes)))
    }
    let refusal = Refusal(code: unsafe result.failure_code, payload: payload).description
    return error.isEmpty ? refusal : "\(error); \(refusal)"
  }

  static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

import CBenchLoad
import RPCWire

extension Native {
  /// Runs a load of batches on the calling thread; counts are of reports, latencies of calls.
  static func batches(of reports: UInt32, on target: LoadTarget, _ shape: LoadShape)
    -> RawLoadOutcome
  {
    unsafe outcome(on: target, shape) { options, result in
      _ = unsafe cbl_batch_load(options, reports, result)
    }
  }

  /// Runs a load of puts on a peer, each as large as one report, on the calling thread.
  static func puts(_ kind: cbl_peer_kind, port: UInt16, _ shape: LoadShape) -> RawLoadOutcome {
    let target = LoadTarget(address: .tcp(host: "127.0.0.1", port: port), token: "")
    return unsafe outcome(on: target, shape) { options, result in
      _ = unsafe cbl_peer_load(kind, options, cbl_report_bytes(), result)
    }
  }

  /// Asks a server of a text protocol one thing; see `cbl_ask`.
  static func ask(port: UInt16, _ request: String, until: String) throws -> String {
    var reply = [CChar](repeating: 0, count: 16_384)
    let count = unsafe cbl_ask(port, request, until, &reply, UInt32(reply.count))
    guard count >= 0 else { throw BenchError.system("asking 127.0.0.1:\(port)") }
    return String(decoding: reply.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// What a load brought that counts other than single calls.
  static func outcome(
    on target: LoadTarget, _ shape: LoadShape, calls: UInt64 = 0,
    load: (UnsafePointer<cbl_load_options>, UnsafeMutablePointer<cbl_load_result>) -> Void
  ) -> RawLoadOutcome {
    unsafe withOptions(CBL_LOAD_REPORT, on: target, shape, calls: calls) { options in
      let histogram = Histogram()
      return unsafe histogram.fill { storage in
        var result = unsafe cbl_load_result()
        unsafe result.latency = storage
        unsafe load(options, &result)
        return unsafe RawLoadOutcome(
          histogram: histogram, seconds: result.seconds, answered: result.answered,
          failed: result.failed, unanswered: result.unanswered, fault: fault(in: result),
          calls: result.calls)
      }
    }
  }
}

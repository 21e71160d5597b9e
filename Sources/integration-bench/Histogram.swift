import CBenchLoad

/// Latencies of many calls, in buckets that are at most 3 % wide.
///
/// One thread writes at a time. Safe, because the pointer is owned: made in `init`, freed in
/// `deinit`, never handed on but to C.
@safe final class Histogram {
  private let storage: OpaquePointer

  init() {
    guard let made = unsafe cbl_histogram_new() else { fatalError("out of memory") }
    unsafe storage = made
  }

  deinit { unsafe cbl_histogram_free(storage) }

  func record(nanoseconds: UInt64) { unsafe cbl_record(storage, nanoseconds) }

  func record(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    record(nanoseconds: UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000))
  }

  func add(_ other: Histogram) { unsafe cbl_add(storage, other.storage) }

  /// Lets C code record.
  func fill<Result>(_ body: (OpaquePointer) -> Result) -> Result { unsafe body(storage) }

  var count: UInt64 { unsafe cbl_count(storage) }

  var latency: Latency {
    Latency(
      p50: percentile(0.50), p95: percentile(0.95), p99: percentile(0.99),
      max: milliseconds(unsafe cbl_maximum_ns(storage)))
  }

  private func percentile(_ share: Double) -> Double {
    milliseconds(unsafe cbl_percentile_ns(storage, share))
  }

  private func milliseconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) / 1e6 }
}

/// Percentiles in milliseconds.
struct Latency: Encodable {
  var p50: Double
  var p95: Double
  var p99: Double
  var max: Double
}

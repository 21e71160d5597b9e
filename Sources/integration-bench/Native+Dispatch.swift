import CBenchLoad
import RPCWire

/// What a load of requests brought; see `cbl_dispatch_load`.
struct DispatchOutcome {
  /// The latency from when a request was due until its agent held it.
  let load: RawLoadOutcome
  /// How long after its time a request was sent: the load's own part of the latency.
  let late: Histogram
  let requested: UInt64
  let delivered: UInt64
  /// Deliveries of a request that was delivered before.
  let repeated: UInt64
  let finished: UInt64

  /// What was wrong as far as the load sees it.
  var faults: [String] {
    var faults = load.fault.map { [$0] } ?? []
    if load.unanswered > 0 { faults.append("\(load.unanswered) requests were not finished") }
    if repeated > 0 { faults.append("\(repeated) requests were delivered twice") }
    if delivered != requested || finished != requested {
      faults.append("\(requested) requested, \(delivered) delivered, \(finished) finished")
    }
    return faults
  }
}

extension Native {
  /// How requests are made.
  struct Pace {
    /// 0: each follows the end of the one before.
    var perSecond: Double
    /// The most requests; 0: what the time allows.
    var calls: UInt64 = 0
  }

  /// Runs requests on the calling thread: an operator asks, `shape.connections` agents wait.
  static func dispatch(
    on target: LoadTarget, operatorAddress: ListenAddress, _ shape: LoadShape, _ pace: Pace
  ) -> DispatchOutcome {
    let late = Histogram()
    var counts = unsafe cbl_dispatch_result()
    let operatorTarget = LoadTarget(address: operatorAddress, token: "")
    let load = unsafe withOptions(CBL_LOAD_REPORT, on: operatorTarget, shape) { operatorOptions in
      unsafe outcome(on: target, shape, calls: pace.calls) { options, result in
        unsafe Session.integration.withCString { integration in
          var dispatch = unsafe cbl_dispatch(
            integration: integration, operator_options: operatorOptions,
            requests_per_second: pace.perSecond)
          unsafe late.fill {
            unsafe counts.late = $0
            _ = unsafe cbl_dispatch_load(options, &dispatch, result, &counts)
          }
        }
      }
    }
    return unsafe DispatchOutcome(
      load: load, late: late, requested: counts.requested, delivered: counts.delivered,
      repeated: counts.repeated, finished: counts.finished)
  }
}

import CBenchLoad
import RPCWire

/// Agents that wait in a poll, each on a connection of its own, and may phone home.
///
/// Safe, because the pointer is owned: made in `init`, freed in `deinit`, never handed on but to C.
@safe final class WaitingAgents {
  private let storage: OpaquePointer
  let count: Int
  private var calls: UInt32 = 1

  init(on target: LoadTarget, count: Int) throws(BenchError) {
    let shape = LoadShape(connections: count, inFlight: 1, warmup: 0, seconds: 0)
    var error = [CChar](repeating: 0, count: Int(CBL_ERROR_ROOM))
    let made = unsafe Native.withOptions(CBL_LOAD_HEARTBEAT, on: target, shape) {
      unsafe cbl_idle_open($0, &error)
    }
    guard let made = unsafe made else { throw BenchError(.unreachable, Native.text(error)) }
    unsafe storage = made
    self.count = count
  }

  deinit { unsafe cbl_idle_close(storage) }

  /// How many polls were answered, though nobody asked for anything.
  var answered: Int { Int(unsafe cbl_idle_answered(storage)) }

  /// The next agent phones home; false when it was not answered.
  func heartbeat() -> Bool {
    calls += 1
    let agent = (calls - 2) % UInt32(count)
    return unsafe cbl_idle_heartbeat(storage, agent, calls) == 0
  }
}

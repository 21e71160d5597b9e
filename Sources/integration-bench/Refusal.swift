import RPCEnvelope
import RPCWire

/// The first refused reply of a raw-frame load, for people.
struct Refusal: CustomStringConvertible {
  let description: String

  init(code: UInt32, payload: [UInt8]) {
    if let status = try? Status(serializedBytes: payload) {
      description = "code \(status.code) (\(status.reason)): \(status.message)"
    } else {
      description = "code \(code), without a readable status"
    }
  }
}

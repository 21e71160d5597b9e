/// Fences one delivery of a request: whoever names an older token has lost the lease.
///
/// It is no secret: only keys of the same integration can use it.
public struct LeaseToken: Hashable, Sendable {
  /// Which delivery it belongs to, from 1.
  public let delivery: UInt32
  /// Distinguishes leases of one delivery, such as one that was never accepted from the next.
  public let nonce: UInt64

  /// The length of the text form in bytes.
  public static let textBytes = 24

  /// Makes a token.
  public init(delivery: UInt32, nonce: UInt64) {
    self.delivery = delivery
    self.nonce = nonce
  }
}

extension LeaseToken: LosslessStringConvertible {
  /// 24 lower-case hexadecimal digits: delivery, then nonce.
  public var description: String {
    unsafe String(unsafeUninitializedCapacity: Self.textBytes) { buffer in
      for position in 0..<8 {
        let digit = UInt8(truncatingIfNeeded: delivery >> UInt32(28 - 4 * position)) & 15
        unsafe buffer[position] = hexDigit(digit)
      }
      for position in 0..<16 {
        let digit = UInt8(truncatingIfNeeded: nonce >> UInt64(60 - 4 * position)) & 15
        unsafe buffer[8 + position] = hexDigit(digit)
      }
      return Self.textBytes
    }
  }

  /// Reads the text form; nil for anything else.
  public init?(_ description: String) {
    var copy = description
    let parsed = copy.withUTF8 { unsafe LeaseToken(text: UnsafeRawBufferPointer($0)) }
    guard let parsed else { return nil }
    self = parsed
  }

  /// Reads the text form from bytes; nil for anything else.
  public init?(text: UnsafeRawBufferPointer) {
    guard text.count == Self.textBytes else { return nil }
    var delivery: UInt32 = 0
    var nonce: UInt64 = 0
    for position in 0..<Self.textBytes {
      guard let digit = unsafe hexValue(text[position]) else { return nil }
      if position < 8 {
        delivery = delivery << 4 | UInt32(digit)
      } else {
        nonce = nonce << 4 | UInt64(digit)
      }
    }
    self.init(delivery: delivery, nonce: nonce)
  }
}

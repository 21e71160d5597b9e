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
      let target = UnsafeMutableRawBufferPointer(buffer)
      let parts = [delivery, UInt32(nonce >> 32), UInt32(truncatingIfNeeded: nonce)]
      for (index, part) in parts.enumerated() {
        let digits = HexDigits.digits(part).bigEndian
        unsafe target.storeBytes(of: digits, toByteOffset: 8 * index, as: UInt64.self)
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
    func eight(_ offset: Int) -> UInt64? {
      let bytes = unsafe text.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      return HexDigits.number(UInt64(bigEndian: bytes))
    }
    guard let delivery = eight(0), let high = eight(8), let low = eight(16) else { return nil }
    self.init(delivery: UInt32(delivery), nonce: high << 32 | low)
  }
}

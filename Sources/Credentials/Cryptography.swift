import COpenSSL

/// The few calls of OpenSSL that credentials need, each on plain byte arrays.
///
/// All are free of shared state and may be called from any thread.
public enum Cryptography {
  /// The size of a SHA-256 digest.
  public static let digestBytes = 32

  /// Bytes from the system's generator, seeded and reseeded by OpenSSL.
  ///
  /// `RAND_bytes` answers 1, or something else when no entropy can be had.
  public static func randomBytes(_ count: Int) throws(CredentialError) -> [UInt8] {
    precondition(count >= 0 && count <= 1 << 20, "random bytes are asked for in small numbers")
    var bytes = [UInt8](repeating: 0, count: count)
    let result = unsafe bytes.withUnsafeMutableBytes { buffer in
      Result { () throws(CredentialError) in try unsafe fillWithRandomBytes(buffer) }
    }
    try result.get()
    return bytes
  }

  /// Fills memory of up to 1 MiB from the system's generator.
  static func fillWithRandomBytes(
    _ memory: UnsafeMutableRawBufferPointer
  ) throws(CredentialError) {
    let start = unsafe memory.baseAddress?.assumingMemoryBound(to: UInt8.self)
    guard unsafe RAND_bytes(start, Int32(memory.count)) == 1 else { throw .randomUnavailable }
  }

  /// The SHA-256 digest of some bytes.
  ///
  /// The one-shot `SHA256` fails only for a null output, which is excluded here.
  public static func sha256(_ bytes: [UInt8]) -> [UInt8] {
    unsafe bytes.withUnsafeBytes { unsafe sha256($0) }
  }

  /// The SHA-256 digest of some bytes where they lie.
  static func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: digestBytes)
    unsafe digest.withUnsafeMutableBufferPointer { output in
      let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
      _ = unsafe SHA256(start, bytes.count, output.baseAddress)
    }
    return digest
  }

  /// Whether two secrets are the same, in a time that depends on their length alone.
  public static func isEqualInConstantTime(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    guard !left.isEmpty else { return true }
    return unsafe left.withUnsafeBytes { first in
      unsafe right.withUnsafeBytes { second in
        unsafe CRYPTO_memcmp(first.baseAddress, second.baseAddress, first.count) == 0
      }
    }
  }
}

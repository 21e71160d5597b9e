import COpenSSL

/// Bytes of a secret in memory of their own, which is wiped when nobody holds them any more.
///
/// Arrays and strings leave their bytes in freed memory, from where a core dump shows them long
/// after. Never changed once filled; may be used from any thread.
@safe
public final class SecretBytes: @unchecked Sendable {
  // Sendable: written by the initialiser alone.
  private let memory: UnsafeMutableRawBufferPointer

  /// Takes memory for `count` bytes, at least 1, and lets `fill` write all of them.
  public init<Failure: Error>(
    count: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    precondition(count > 0, "a secret has bytes")
    unsafe memory = .allocate(byteCount: count, alignment: 16)
    try unsafe fill(memory)
  }

  deinit {
    unsafe Cryptography.wipe(memory)
    unsafe memory.deallocate()
  }

  /// Lends the bytes for the time of `body`.
  public func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(UnsafeRawBufferPointer(memory))
  }
}

extension Cryptography {
  /// Overwrites memory with zeros, also where nothing reads it afterwards.
  public static func wipe(_ memory: UnsafeMutableRawBufferPointer) {
    unsafe OPENSSL_cleanse(memory.baseAddress, memory.count)
  }

  /// Overwrites an array's bytes with zeros.
  ///
  /// Another holder of the same array keeps its bytes: they are copied before.
  public static func wipe(_ bytes: inout [UInt8]) {
    unsafe bytes.withUnsafeMutableBytes { unsafe wipe($0) }
    bytes = []
  }

  /// Overwrites a text's bytes with zeros where they lie, for every holder of the same text: only
  /// for a secret that nobody reads any more.
  ///
  /// A text of up to 15 bytes lies in the value itself, and a literal in the program: neither is
  /// touched. Secrets here have 50.
  public static func wipe(_ text: inout String) {
    defer { text = "" }
    guard text.utf8.count > 15 else { return }
    text.withUTF8 { bytes in
      unsafe wipe(
        UnsafeMutableRawBufferPointer(mutating: UnsafeRawBufferPointer(bytes)))
    }
  }
}

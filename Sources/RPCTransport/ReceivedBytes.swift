import Glibc

/// Bytes that came on a connection and stay as long as this object; from any thread.
@safe
public final class ReceivedBytes: @unchecked Sendable {
  // Sendable: never changed.
  private let memory: UnsafeMutableRawPointer?
  /// The bytes.
  public let bytes: UnsafeRawBufferPointer

  /// Takes memory of malloc(3) that has the bytes in it.
  init(adopting memory: UnsafeMutableRawPointer?, _ bytes: UnsafeRawBufferPointer) {
    unsafe self.memory = memory
    unsafe self.bytes = bytes
  }

  /// Copies the bytes.
  init(copying bytes: UnsafeRawBufferPointer) {
    let copy = unsafe UnsafeMutableRawBufferPointer(
      start: HeapMemory.take(bytes.count), count: bytes.count)
    unsafe copy.copyMemory(from: bytes)
    unsafe memory = copy.baseAddress
    unsafe self.bytes = UnsafeRawBufferPointer(copy)
  }

  deinit { unsafe free(memory) }
}

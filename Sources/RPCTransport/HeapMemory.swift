import Glibc

/// Memory of malloc(3), which its user frees; without any the process ends.
enum HeapMemory {
  static func take(_ bytes: Int) -> UnsafeMutableRawPointer { unsafe checked(malloc(bytes)) }

  /// Some bytes of a piece at the beginning of one of another size; the old one is gone, wiped
  /// where it held a secret.
  static func moved(
    _ bytes: Range<Int>, of memory: UnsafeMutableRawPointer?, capacity: Int, to wanted: Int,
    isSecret: Bool
  ) -> UnsafeMutableRawPointer {
    guard let old = unsafe memory else { return unsafe take(wanted) }
    if isSecret || wanted < capacity {
      let fresh = unsafe take(wanted)
      unsafe fresh.copyMemory(from: old + bytes.lowerBound, byteCount: bytes.count)
      if isSecret { unsafe wipe(old, bytes: capacity) }
      unsafe free(old)
      return unsafe fresh
    }
    if bytes.lowerBound > 0 {
      unsafe old.copyMemory(from: old + bytes.lowerBound, byteCount: bytes.count)
    }
    // Of a long piece the system moves the pages (mremap(2)): a frame at the limit is not copied
    // over and over while it grows.
    return unsafe checked(unsafe realloc(old, wanted))
  }

  private static func checked(_ memory: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer {
    guard let memory = unsafe memory else { fatalError("the system has no memory left") }
    return unsafe memory
  }
}

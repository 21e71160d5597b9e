import Glibc

/// Memory of malloc(3), which its user frees; without any the process ends.
enum HeapMemory {
  static func take(_ bytes: Int) -> UnsafeMutableRawPointer { unsafe checked(malloc(bytes)) }

  /// The same bytes in a piece of another size.
  static func resized(
    _ memory: UnsafeMutableRawPointer?, _ bytes: Int
  ) -> UnsafeMutableRawPointer {
    unsafe checked(unsafe realloc(memory, bytes))
  }

  private static func checked(_ memory: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer {
    guard let memory = unsafe memory else { fatalError("the system has no memory left") }
    return unsafe memory
  }
}

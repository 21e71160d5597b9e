import Glibc

/// Output buffers that one connection after another uses: a connection holds one only while it has
/// bytes to send, so that an idle one costs nothing.
@safe
struct BufferPool {
  /// Bytes of a fresh buffer: the replies of a burst of some hundred small calls.
  static let bufferBytes = 32 << 10
  /// Most buffers that wait for use.
  static let maximumCount = 64

  private var unused: [UnsafeMutableRawPointer] = unsafe []

  mutating func take() -> OutputBuffer {
    if let pointer = unsafe unused.popLast() {
      return unsafe OutputBuffer(pointer: pointer, capacity: Self.bufferBytes)
    }
    return unsafe OutputBuffer(
      pointer: HeapMemory.take(Self.bufferBytes), capacity: Self.bufferBytes)
  }

  mutating func give(_ buffer: OutputBuffer) {
    if buffer.isSecret { unsafe wipe(buffer.pointer, bytes: buffer.capacity) }
    if buffer.capacity == Self.bufferBytes, unsafe unused.count < Self.maximumCount {
      unsafe unused.append(buffer.pointer)
    } else {
      unsafe free(buffer.pointer)
    }
  }

  mutating func removeAll() {
    while let pointer = unsafe unused.popLast() { unsafe free(pointer) }
  }
}

/// Bytes on their way out, in one piece of memory; whoever took it from the pool gives it back.
@safe
struct OutputBuffer {
  private(set) var pointer: UnsafeMutableRawPointer
  private(set) var capacity: Int
  private(set) var start = 0
  private(set) var end = 0
  /// Whether a secret was written here: the memory is wiped before anybody else has it.
  var isSecret = false

  init(pointer: UnsafeMutableRawPointer, capacity: Int) {
    unsafe self.pointer = pointer
    self.capacity = capacity
  }

  var count: Int { end - start }
  var first: UnsafeMutableRawPointer { unsafe pointer + start }

  /// A place for `count` bytes behind what is there.
  mutating func reserve(_ count: Int) -> UnsafeMutableRawPointer {
    if capacity - end < count { makeRoom(count) }
    return unsafe pointer + end
  }

  /// Counts bytes that were written to the reserved place.
  mutating func commit(_ count: Int) {
    precondition(count <= capacity - end, "more bytes written than reserved")
    end += count
  }

  mutating func consume(_ count: Int) {
    start += count
    if start == end {
      start = 0
      end = 0
    }
  }

  private mutating func makeRoom(_ count: Int) {
    let used = self.count
    if capacity - used >= count && start >= capacity / 2 {
      unsafe pointer.copyMemory(from: pointer + start, byteCount: used)
    } else {
      let larger = max(capacity * 2, used + count)
      unsafe pointer = HeapMemory.moved(
        start..<end, of: pointer, capacity: capacity, to: larger, isSecret: isSecret)
      capacity = larger
    }
    start = 0
    end = used
  }
}

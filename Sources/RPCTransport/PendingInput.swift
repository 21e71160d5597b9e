import Glibc

/// Bytes of a frame that is not whole yet, kept between wake-ups.
///
/// Memory grows with the bytes that have come, not with the length that the peer announced.
@safe
struct PendingInput {
  private var pointer: UnsafeMutableRawPointer?
  private(set) var capacity = 0
  /// Bytes in front of those that are kept: they are done with.
  private var start = 0
  private(set) var count = 0
  /// Bytes that were given away and that the protocol still counts as done with.
  private var given = 0
  /// Whether a credential may be in the bytes: their memory is wiped before it is given back.
  private(set) var isSecret = false
  /// Whether the credential was read: once what was read is done with, nothing here is secret.
  private var isSecretRead = false

  /// Memory above this is given back once less than a quarter of it is used.
  static let keptCapacity = 64 << 10

  var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: pointer.map { unsafe $0 + start }, count: count)
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    if start + count + bytes.count > capacity { makeRoom(for: count + bytes.count) }
    unsafe (pointer! + start + count).copyMemory(from: source, byteCount: bytes.count)
    count += bytes.count
  }

  /// The first `done` bytes are done with, with those that were given away.
  mutating func removeFirst(_ done: Int) {
    let used = done - given
    given = 0
    if used == count { return removeAll() }
    start += used
    count -= used
    if isSecret { wipeUnused() }
    if capacity > Self.keptCapacity && count < capacity / 4 { reallocate(capacity: count) }
  }

  /// Gives away the memory with the bytes up to `end`; those behind them stay.
  ///
  /// Whoever gets it frees it. The protocol goes on to count from the first byte given away when it
  /// says what it is done with. Never while a credential may be in the bytes.
  mutating func giveAway(through end: Int) -> UnsafeMutableRawPointer? {
    precondition(!isSecret, "what may be secret stays where it is wiped")
    let memory = unsafe pointer
    let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[end...])
    unsafe pointer = nil
    removeAll()
    unsafe append(rest)
    given = end
    return unsafe memory
  }

  /// Keeps `rest` alone, which may be a part of these bytes or lie elsewhere.
  mutating func replace(with rest: UnsafeRawBufferPointer) {
    guard rest.count > 0, let source = rest.baseAddress else { return removeAll() }
    if rest.count > capacity || capacity > max(Self.keptCapacity, rest.count * 4) {
      let fresh = unsafe HeapMemory.take(rest.count)
      unsafe fresh.copyMemory(from: source, byteCount: rest.count)
      removeAll()
      unsafe pointer = fresh
      capacity = rest.count
      count = rest.count
    } else {
      unsafe memmove(pointer!, source, rest.count)
      start = 0
      count = rest.count
      if isSecret { wipeUnused() }
    }
  }

  /// From now on a credential may come.
  mutating func beginSecret() {
    isSecret = true
  }

  /// The credential was read; it is wiped when the bytes that are being read are done with, because
  /// calls may stand behind it.
  mutating func endSecret() {
    isSecretRead = isSecret
  }

  private mutating func wipeUnused() {
    guard let memory = unsafe pointer else { return }
    unsafe wipe(memory, bytes: start)
    unsafe wipe(memory + start + count, bytes: capacity - start - count)
    endSecretIfRead()
  }

  private mutating func endSecretIfRead() {
    guard isSecretRead else { return }
    isSecret = false
    isSecretRead = false
  }

  mutating func removeAll() {
    if isSecret { unsafe wipe(pointer, bytes: capacity) }
    unsafe free(pointer)
    unsafe pointer = nil
    capacity = 0
    start = 0
    count = 0
    given = 0
    endSecretIfRead()
  }

  private mutating func makeRoom(for needed: Int) {
    if needed <= capacity && start >= capacity / 2 {
      unsafe pointer!.copyMemory(from: pointer! + start, byteCount: count)
      start = 0
    } else {
      // The first piece gets what it needs: thousands of connections may each hold a few bytes.
      reallocate(capacity: capacity == 0 ? needed : max(needed, capacity * 2))
    }
  }

  private mutating func reallocate(capacity wanted: Int) {
    unsafe pointer = HeapMemory.moved(
      start..<(start + count), of: pointer, capacity: capacity, to: wanted, isSecret: isSecret)
    capacity = wanted
    start = 0
  }
}

internal import CProtobufC

/// Memory for decoded and to-be-encoded messages that is given back all at once.
///
/// Allocating moves a pointer; `reset()` makes all of it free again and keeps one block for the
/// next use, so a reactor that resets its arena after every batch of frames never calls the heap.
/// Views point into an arena: they are valid until it is reset or gone. An arena belongs to one
/// thread at a time.
@safe
public final class Arena {
  /// The arena's state, at an address that stays.
  let state: UnsafeMutablePointer<ArenaState>

  /// Makes an arena; `initialBytes` (default 16 KiB: a few hundred small messages) are taken from
  /// the heap with the first allocation.
  public init(initialBytes: Int = 16 * 1024) {
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: ArenaState(nextBlockBytes: max(256, initialBytes)))
    unsafe state.pointee.allocator.allocator_data = UnsafeMutableRawPointer(state)
  }

  deinit {
    unsafe state.pointee.freeBlocks(keepingUpTo: 0)
    unsafe state.deallocate()
  }

  /// Frees all that was allocated; every view into this arena ends here.
  public func reset() {
    unsafe state.pointee.freeBlocks(keepingUpTo: ArenaState.maximumKeptBytes)
  }

  /// Overwrites with zeros what was allocated, and frees it as `reset()` does: for messages with a
  /// secret in them.
  public func wipe() {
    unsafe state.pointee.wipeBlocks()
    reset()
  }

  /// How many bytes have been handed out since the last reset.
  public var allocatedBytes: Int { unsafe state.pointee.allocated }
}

/// One heap block of an arena; its bytes follow the header.
@safe
struct ArenaBlock {
  var previous: UnsafeMutablePointer<ArenaBlock>?
  var capacity: Int
}

/// What an `Arena` owns.
///
/// Lives on the heap so that protobuf-c's allocator callback finds it.
@safe @usableFromInline
struct ArenaState {
  /// A block that grew beyond this for one large message is given back by `reset()`.
  static let maximumKeptBytes = 1024 * 1024
  static let maximumBlockBytes = 1024 * 1024
  static let headerBytes = 16

  var allocator: ProtobufCAllocator
  var block: UnsafeMutablePointer<ArenaBlock>?
  var cursor: UnsafeMutableRawPointer?
  var remaining = 0
  var allocated = 0
  /// Decoding stops when `allocated` would pass this.
  var allocatedLimit = Int.max
  /// What the last decoding asked for beyond its limit; 0 when it kept within.
  var refusedBytes = 0
  var nextBlockBytes: Int

  init(nextBlockBytes: Int) {
    self.nextBlockBytes = nextBlockBytes
    unsafe allocator = ProtobufCAllocator(
      alloc: { data, size in
        guard let data = unsafe data else { return nil }
        let state = unsafe data.assumingMemoryBound(to: ArenaState.self)
        return unsafe state.pointee.allocateWithinLimit(bytes: size)
      },
      free: { _, _ in }, allocator_data: nil)
  }

  /// What protobuf-c gets: nil, which fails the decoding, once the budget is spent.
  mutating func allocateWithinLimit(bytes: Int) -> UnsafeMutableRawPointer? {
    let (total, overflow) = allocated.addingReportingOverflow(bytes)
    guard bytes >= 0, !overflow, total <= allocatedLimit else {
      refusedBytes = max(1, bytes)
      return nil
    }
    return unsafe allocate(bytes: bytes)
  }

  /// Zero-filled memory, aligned for every C type that a message holds.
  mutating func allocate(bytes: Int) -> UnsafeMutableRawPointer {
    let result = unsafe reserve(bytes: bytes)
    let rounded = (max(bytes, 1) &+ 7) & ~7
    unsafe result.initializeMemory(as: UInt8.self, repeating: 0, count: rounded)
    return unsafe result
  }

  /// Memory that the caller fills, aligned for every C type that a message holds.
  @inline(__always)
  mutating func reserve(bytes: Int) -> UnsafeMutableRawPointer {
    let rounded = (max(bytes, 1) &+ 7) & ~7
    if rounded > remaining { addBlock(atLeast: rounded) }
    guard let result = unsafe cursor else { fatalError("an arena's block has no memory") }
    unsafe cursor = unsafe result + rounded
    remaining &-= rounded
    allocated &+= rounded
    return unsafe result
  }

  private mutating func addBlock(atLeast bytes: Int) {
    let capacity = max(nextBlockBytes, bytes)
    nextBlockBytes = min(nextBlockBytes &* 2, max(Self.maximumBlockBytes, nextBlockBytes))
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: Self.headerBytes + capacity, alignment: 16)
    let added = unsafe raw.bindMemory(to: ArenaBlock.self, capacity: 1)
    unsafe added.initialize(to: ArenaBlock(previous: block, capacity: capacity))
    unsafe block = added
    unsafe cursor = raw + Self.headerBytes
    remaining = capacity
  }

  func wipeBlocks() {
    var next = unsafe block
    while let each = unsafe next {
      let bytes = unsafe UnsafeMutableRawPointer(each) + Self.headerBytes
      unsafe memset(bytes, 0, each.pointee.capacity)
      unsafe next = each.pointee.previous
    }
  }

  /// Keeps the newest block, which is the largest, when it is no larger than `limit`.
  mutating func freeBlocks(keepingUpTo limit: Int) {
    allocated = 0
    guard let newest = unsafe block else { return }
    var next = unsafe newest.pointee.previous
    while let older = unsafe next {
      unsafe next = older.pointee.previous
      unsafe UnsafeMutableRawPointer(older).deallocate()
    }
    unsafe newest.pointee.previous = nil
    if unsafe newest.pointee.capacity <= limit {
      unsafe cursor = unsafe UnsafeMutableRawPointer(newest) + Self.headerBytes
      remaining = unsafe newest.pointee.capacity
    } else {
      unsafe UnsafeMutableRawPointer(newest).deallocate()
      unsafe block = nil
      unsafe cursor = nil
      remaining = 0
    }
  }
}

/// The calls of a connection that wait for their end, by id: a hash table with linear probing.
///
/// Plain memory in a class, where the server has `CallTable`: a client enters and takes out a call
/// for each one, and arrays in a class would be checked for exclusive access, for sharing and for
/// bounds each time. Ids increase, so that the id itself is a good hash. Touched only on the
/// connection's reactor.
@safe
final class OpenCalls {
  struct Call {
    var deadline: Int64
    var tag: UInt64
    var ticket: UInt64
    var receiver: any CallReceiver
  }

  private var ids: UnsafeMutablePointer<UInt32>
  /// Initialised where `ids` is not 0.
  private var calls: UnsafeMutablePointer<Call>
  private var mask: Int
  private(set) var count = 0
  /// Calls that do not stand where their id says, because another one did.
  private var displaced = 0

  /// Places of an empty table, and most that an emptied one keeps.
  private static let leastPlaces = 16
  private static let keptPlaces = 1024

  init() {
    mask = Self.leastPlaces - 1
    unsafe ids = .allocate(capacity: Self.leastPlaces)
    unsafe ids.initialize(repeating: 0, count: Self.leastPlaces)
    unsafe calls = .allocate(capacity: Self.leastPlaces)
  }

  deinit {
    for position in 0...mask where unsafe ids[position] != 0 {
      unsafe (calls + position).deinitialize(count: 1)
    }
    unsafe ids.deallocate()
    unsafe calls.deallocate()
  }

  var isEmpty: Bool { count == 0 }

  /// Adds a call; its id is not 0 and not in the table.
  func insert(_ id: UInt32, _ call: consuming Call) {
    // Half of the places stay free, so that each walk ends.
    if count &* 2 > mask { resize(to: (mask + 1) * 2) }
    place(id, call)
    count &+= 1
  }

  /// The call with this id.
  subscript(id: UInt32) -> Call? {
    guard let position = position(of: id) else { return nil }
    return unsafe calls[position]
  }

  /// Takes a call out.
  func remove(_ id: UInt32) -> Call? {
    guard let position = position(of: id) else { return nil }
    count &-= 1
    let call = unsafe (calls + position).move()
    unsafe ids[position] = 0
    if displaced > 0 { close(position, id) }
    if count == 0, mask >= Self.keptPlaces { resize(to: Self.leastPlaces) }
    return call
  }

  /// The ids of all calls that fulfil a condition, in no order.
  func ids(where isWanted: (UInt32, Call) -> Bool) -> [UInt32] {
    (0...mask).compactMap { position in
      let id = unsafe ids[position]
      guard id != 0, unsafe isWanted(id, calls[position]) else { return nil }
      return id
    }
  }

  /// Takes all calls out.
  func removeAll() -> [Call] {
    ids { _, _ in true }.compactMap { remove($0) }
  }

  @inline(__always)
  private func position(of id: UInt32) -> Int? {
    guard id != 0 else { return nil }
    var position = Int(id) & mask
    while case let found = unsafe ids[position], found != 0 {
      if found == id { return position }
      position = (position &+ 1) & mask
    }
    return nil
  }

  @inline(__always)
  private func place(_ id: UInt32, _ call: consuming Call) {
    let home = Int(id) & mask
    var position = home
    while unsafe ids[position] != 0 { position = (position &+ 1) & mask }
    if position != home { displaced &+= 1 }
    unsafe ids[position] = id
    unsafe (calls + position).initialize(to: call)
  }

  /// Moves up what had to step over a place that is free now.
  private func close(_ start: Int, _ removed: UInt32) {
    if Int(removed) & mask != start { displaced &-= 1 }
    var hole = start
    var next = (start &+ 1) & mask
    while case let id = unsafe ids[next], id != 0 {
      let home = Int(id) & mask
      if (next &- home) & mask >= (next &- hole) & mask {
        unsafe ids[hole] = id
        unsafe (calls + hole).moveInitialize(from: calls + next, count: 1)
        unsafe ids[next] = 0
        if hole == home { displaced &-= 1 }
        hole = next
      }
      next = (next &+ 1) & mask
    }
  }

  private func resize(to capacity: Int) {
    let (oldIDs, oldCalls, oldCapacity) = unsafe (ids, calls, mask + 1)
    mask = capacity - 1
    displaced = 0
    unsafe ids = .allocate(capacity: capacity)
    unsafe ids.initialize(repeating: 0, count: capacity)
    unsafe calls = .allocate(capacity: capacity)
    for position in 0..<oldCapacity where unsafe oldIDs[position] != 0 {
      unsafe place(oldIDs[position], (oldCalls + position).move())
    }
    unsafe oldIDs.deallocate()
    unsafe oldCalls.deallocate()
  }
}

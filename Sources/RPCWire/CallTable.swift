/// The open calls of one connection by id: a small hash table with linear probing.
///
/// Ids increase, so that the id itself is a good hash and neighbours stand side by side. An empty
/// table holds no memory; a table for one waiting call holds some hundred bytes.
public struct CallTable<Value> {
  // Id 0 marks a free place; values stand at the same position.
  @usableFromInline var ids: ContiguousArray<UInt32> = []
  @usableFromInline var values: ContiguousArray<Value?> = []

  @usableFromInline var total = 0

  /// Number of open calls.
  @inlinable
  public var count: Int { total }

  /// Places that an emptied table may keep.
  @inlinable static var keptCapacity: Int { 64 }

  /// Makes an empty table.
  @inlinable
  public init() {}

  /// Whether no call is open.
  @inlinable
  public var isEmpty: Bool { count == 0 }

  /// The open calls, in no order.
  @inlinable
  public var callIDs: [UInt32] { ids.filter { $0 != 0 } }

  /// Adds a call.
  ///
  /// Its id is not 0 and not in the table.
  @inlinable
  public mutating func insert(_ id: UInt32, _ value: Value) {
    if total * 2 >= ids.count { grow() }
    place(id, value)
    total += 1
  }

  /// The value of a call.
  @inlinable
  public subscript(id: UInt32) -> Value? {
    guard let position = position(of: id) else { return nil }
    return values[position]
  }

  /// Changes the value of a call in place; nothing happens when it is not open.
  @inlinable
  public mutating func update(_ id: UInt32, _ change: (inout Value) -> Void) {
    guard let position = position(of: id), var value = values[position] else { return }
    change(&value)
    values[position] = value
  }

  /// Takes a call out.
  @inlinable
  public mutating func remove(_ id: UInt32) -> Value? {
    guard let position = position(of: id) else { return nil }
    let value = values[position]
    total -= 1
    if total == 0 && ids.count > Self.keptCapacity {
      self = CallTable()
    } else {
      close(position)
    }
    return value
  }

  /// Calls `body` with each open call; the table must not change meanwhile.
  @inlinable
  public func forEach(_ body: (UInt32, Value) -> Void) {
    for position in ids.indices where ids[position] != 0 {
      if let value = values[position] { body(ids[position], value) }
    }
  }

  @inlinable
  func position(of id: UInt32) -> Int? {
    guard id != 0, !ids.isEmpty else { return nil }
    let mask = ids.count - 1
    var position = Int(id) & mask
    // Half of the places are free, so the walk ends.
    while ids[position] != 0 {
      if ids[position] == id { return position }
      position = (position + 1) & mask
    }
    return nil
  }

  @inlinable
  mutating func place(_ id: UInt32, _ value: Value) {
    let mask = ids.count - 1
    var position = Int(id) & mask
    while ids[position] != 0 { position = (position + 1) & mask }
    ids[position] = id
    values[position] = value
  }

  /// Frees a place and moves up what had to step over it.
  @inlinable
  mutating func close(_ start: Int) {
    let mask = ids.count - 1
    var hole = start
    var next = (start + 1) & mask
    while ids[next] != 0 {
      let home = Int(ids[next]) & mask
      if (next - home) & mask >= (next - hole) & mask {
        ids[hole] = ids[next]
        values[hole] = values[next]
        hole = next
      }
      next = (next + 1) & mask
    }
    ids[hole] = 0
    values[hole] = nil
  }

  @inlinable
  mutating func grow() {
    let capacity = max(4, ids.count * 2)
    let old = self
    ids = ContiguousArray(repeating: 0, count: capacity)
    values = ContiguousArray(repeating: nil, count: capacity)
    old.forEach { place($0, $1) }
  }
}

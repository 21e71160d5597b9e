/// The next deadline of each source of a reactor: one entry per slot, the earliest on top.
///
/// A connection has one deadline, the earliest of all that it waits for, so that thousands of
/// calls with deadlines cost one entry.
struct DeadlineHeap {
  struct Entry: Equatable {
    var deadline: Int64
    var slot: Int
  }

  private var entries: [Entry] = []
  /// Where a slot's entry stands; -1 when it has none.
  private var positions: [Int] = []

  var isEmpty: Bool { entries.isEmpty }
  var count: Int { entries.count }
  var earliest: Entry? { entries.first }

  /// Sets or moves the deadline of a slot.
  mutating func set(_ slot: Int, to deadline: Int64) {
    while positions.count <= slot { positions.append(-1) }
    let position = positions[slot]
    if position < 0 {
      entries.append(Entry(deadline: deadline, slot: slot))
      positions[slot] = entries.count - 1
      siftUp(entries.count - 1)
    } else {
      let old = entries[position].deadline
      entries[position].deadline = deadline
      if deadline < old { siftUp(position) } else { siftDown(position) }
    }
  }

  /// Forgets the deadline of a slot; nothing happens when it has none.
  mutating func remove(_ slot: Int) {
    guard slot < positions.count, positions[slot] >= 0 else { return }
    let position = positions[slot]
    positions[slot] = -1
    let last = entries.removeLast()
    guard position < entries.count else { return }
    entries[position] = last
    positions[last.slot] = position
    siftUp(position)
    siftDown(positions[last.slot])
  }

  /// Takes the earliest entry when its deadline is not after `now`.
  mutating func popExpired(now: Int64) -> Int? {
    guard let first = entries.first, first.deadline <= now else { return nil }
    remove(first.slot)
    return first.slot
  }

  private mutating func siftUp(_ start: Int) {
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      guard entries[child].deadline < entries[parent].deadline else { return }
      exchange(child, parent)
      child = parent
    }
  }

  private mutating func siftDown(_ start: Int) {
    var parent = start
    while true {
      var least = parent
      for child in (2 * parent + 1)...(2 * parent + 2) where child < entries.count {
        if entries[child].deadline < entries[least].deadline { least = child }
      }
      guard least != parent else { return }
      exchange(parent, least)
      parent = least
    }
  }

  private mutating func exchange(_ one: Int, _ other: Int) {
    entries.swapAt(one, other)
    positions[entries[one].slot] = one
    positions[entries[other].slot] = other
  }
}

/// What is due when, the earliest first: a binary heap in one array.
///
/// Entries are not removed early; whoever takes one out asks whether it still holds. So a poll that
/// ended costs nothing, and its entry leaves at its time, or where entries are swept.
struct DeadlineHeap<Item> {
  private var entries: [(due: Int64, item: Item)] = []

  /// The earliest time at which something is due.
  var earliest: Int64? { entries.first?.due }
  /// How many entries wait, dead ones included.
  var count: Int { entries.count }

  /// Adds an item that is due at a time.
  mutating func insert(_ item: Item, due: Int64) {
    entries.append((due, item))
    var child = entries.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard entries[child].due < entries[parent].due else { return }
      entries.swapAt(child, parent)
      child = parent
    }
  }

  /// Takes the earliest item out when it is due by a time.
  mutating func popDue(by now: Int64) -> Item? {
    guard let first = entries.first, first.due <= now else { return nil }
    entries.swapAt(0, entries.count - 1)
    entries.removeLast()
    siftDown(from: 0)
    return first.item
  }

  /// Takes out the items that no longer hold, in time that grows with all that wait.
  mutating func sweep(_ isOver: (Item) -> Bool) {
    entries.removeAll { isOver($0.item) }
    for parent in (0..<entries.count / 2).reversed() { siftDown(from: parent) }
  }

  private mutating func siftDown(from start: Int) {
    var parent = start
    while true {
      let left = 2 * parent + 1
      guard left < entries.count else { return }
      let right = left + 1
      let least =
        right < entries.count && entries[right].due < entries[left].due ? right : left
      guard entries[least].due < entries[parent].due else { return }
      entries.swapAt(parent, least)
      parent = least
    }
  }
}

/// The sources that wait for their turn, by identifier, first come first served.
///
/// Identifiers rather than objects: a source that is gone when its turn comes is not kept.
struct TurnQueue {
  private var identifiers: ContiguousArray<UInt64> = []
  private var first = 0

  var count: Int { identifiers.count - first }
  var isEmpty: Bool { count == 0 }

  mutating func append(_ identifier: UInt64) {
    identifiers.append(identifier)
  }

  mutating func popFirst() -> UInt64? {
    guard first < identifiers.count else { return nil }
    defer {
      first += 1
      // Half of it is used up: what is left moves to the front, once for each that was taken.
      if first * 2 >= identifiers.count {
        identifiers.removeFirst(first)
        first = 0
      }
    }
    return identifiers[first]
  }
}

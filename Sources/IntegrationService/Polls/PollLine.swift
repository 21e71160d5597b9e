/// Polls in the order in which they came, any of which may leave.
///
/// A row of short arrays, so that no change takes longer because many are there: neither thousands
/// that leave together nor the one among them that makes an array full.
struct PollLine<Token: Sendable>: Sendable {
  /// One poll, and which of all polls it is.
  struct Entry: Sendable {
    let order: UInt64
    let token: Token
  }

  /// How many entries an array has at most; two neighbours have more than half of it.
  static var longest: Int { 256 }

  /// Ascending, none of them empty.
  private var parts: [ContiguousArray<Entry>] = []

  /// Whether there is none.
  var isEmpty: Bool { parts.isEmpty }
  /// How many there are.
  var count: Int { parts.reduce(0) { $0 + $1.count } }
  /// How many arrays there are.
  var partCount: Int { parts.count }
  /// The one that came before all others.
  var first: Entry? { parts.first?.first }

  /// The first one of which something is true.
  func first(where isMeant: (Token) -> Bool) -> Token? {
    for part in parts {
      if let entry = part.first(where: { isMeant($0.token) }) { return entry.token }
    }
    return nil
  }

  /// Puts a poll at its place, unless it is there.
  mutating func insert(_ token: Token, _ order: UInt64) {
    let entry = Entry(order: order, token: token)
    guard !parts.isEmpty else { return parts.append([entry]) }
    var part = part(of: order)
    var place = Self.place(of: order, in: parts[part])
    if place < parts[part].count, parts[part][place].order == order { return }
    if parts[part].count == Self.longest {
      if place == Self.longest {
        // What comes at the end leaves full arrays behind it.
        return parts.insert([entry], at: part + 1)
      }
      let half = Self.longest / 2
      parts.insert(ContiguousArray(parts[part][half...]), at: part + 1)
      parts[part].removeSubrange(half...)
      if place > half { (part, place) = (part + 1, place - half) }
    }
    parts[part].insert(entry, at: place)
  }

  /// Takes a poll out, if it is there.
  mutating func remove(_ order: UInt64) {
    guard !parts.isEmpty else { return }
    let part = part(of: order)
    let place = Self.place(of: order, in: parts[part])
    guard place < parts[part].count, parts[part][place].order == order else { return }
    parts[part].remove(at: place)
    if parts[part].isEmpty {
      parts.remove(at: part)
      if part > 0 { join(part - 1) }
    } else {
      join(part)
      if part > 0 { join(part - 1) }
    }
  }

  /// Makes one of an array and the next one where both are short.
  private mutating func join(_ part: Int) {
    guard part + 1 < parts.count,
      parts[part].count + parts[part + 1].count <= Self.longest / 2
    else { return }
    parts[part] += parts.remove(at: part + 1)
  }

  /// The last array that begins with this order or an earlier one, or else the first one.
  private func part(of order: UInt64) -> Int {
    var (low, high) = (0, parts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if parts[middle][0].order <= order { low = middle } else { high = middle }
    }
    return low
  }

  /// Before how many entries of an array this order comes first.
  private static func place(of order: UInt64, in part: ContiguousArray<Entry>) -> Int {
    var (low, high) = (0, part.count)
    while low < high {
      let middle = (low + high) / 2
      if part[middle].order < order { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

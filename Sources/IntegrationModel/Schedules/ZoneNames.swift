/// Finds names of time zones that a mistyped one may mean.
public enum ZoneNames {
  /// Up to three near names, the nearest first: the same but for case, the same city elsewhere, or
  /// up to two letters apart.
  public static func near(to name: String, among names: [String]) -> [String] {
    let folded = Array(name.lowercased().utf8.prefix(64))
    let city = lastPart(folded)
    var found: [(distance: Int, name: String)] = []
    for candidate in names {
      let other = Array(candidate.lowercased().utf8.prefix(64))
      let whole = abs(other.count - folded.count) <= 2 ? edits(folded, other) : 3
      let otherCity = lastPart(other)
      let near = abs(otherCity.count - city.count) <= 1 ? edits(Array(city), Array(otherCity)) : 3
      // A city alone counts for more than nothing, and for less than the whole name.
      let distance = min(whole, city.count >= 4 && near <= 1 ? near + 1 : 3)
      if distance <= 2 { found.append((distance, candidate)) }
    }
    return found.sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }.prefix(3).map(\.name)
  }

  private static func lastPart(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
    bytes.lastIndex(of: UInt8(ascii: "/")).map { bytes[($0 + 1)...] } ?? bytes[...]
  }

  /// Insertions, deletions and changes between two texts.
  private static func edits(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var last = Array(0...right.count)
    for (row, byte) in left.enumerated() {
      var diagonal = last[0]
      last[0] = row + 1
      for column in 0..<right.count {
        let change = diagonal + (byte == right[column] ? 0 : 1)
        diagonal = last[column + 1]
        last[column + 1] = min(change, last[column] + 1, diagonal + 1)
      }
    }
    return last[right.count]
  }
}

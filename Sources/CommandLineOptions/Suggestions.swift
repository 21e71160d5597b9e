/// Near names for a mistyped one.
public enum Suggestions {
  /// The nearest candidate within two edits (one for short words) or sharing the beginning.
  public static func nearest(to word: String, among candidates: [String]) -> String? {
    let folded = word.lowercased()
    let allowed = folded.count <= 3 ? 1 : 2
    var best: (name: String, distance: Int)?
    for candidate in candidates {
      let other = candidate.lowercased()
      var distance = editDistance(folded, other)
      if distance > allowed, folded.count >= 3, other.hasPrefix(folded) { distance = allowed }
      guard distance <= allowed else { continue }
      if let known = best, known.distance <= distance { continue }
      best = (candidate, distance)
    }
    return best?.name
  }

  /// "one of a, b, c", with the nearest one when there is one.
  static func oneOf(_ choices: [String], got text: String) -> String {
    let list = "one of \(choices.joined(separator: ", "))"
    guard let near = nearest(to: text, among: choices) else { return list }
    return "\(list) (did you mean \(near)?)"
  }

  /// Insertions, deletions, changes and swaps of neighbours between two words.
  static func editDistance(_ left: String, _ right: String) -> Int {
    let a = Array(left.utf8.prefix(64))
    let b = Array(right.utf8.prefix(64))
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in 0..<a.count {
      var row = [i + 1]
      for j in 0..<b.count {
        var cost = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          cost = min(cost, beforeLast[j - 1] + 1)
        }
        row.append(cost)
      }
      beforeLast = last
      last = row
    }
    return last[b.count]
  }
}

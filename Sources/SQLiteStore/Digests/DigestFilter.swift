import IntegrationModel
import SQLiteDatabase

/// What a selection asks of digests: a cell that has not all of it holds no wanted log.
///
/// It asks only what is sure: a part of a selection that digests cannot decide is left out.
struct DigestFilter {
  /// Facts; of each group a log has at least one.
  private(set) var groups: [[UInt32]] = []
  /// Positions of the runs of bytes that the text has, by part of the table: element n is part
  /// n + 1, counted within the part.
  private(set) var grams = [[Int]](repeating: [], count: LogDigest.gramParts)

  /// Asks for one of some numbers.
  mutating func require(_ kind: DigestFact.Kind, _ numbers: some Sequence<Int64>) {
    groups.append(numbers.map { DigestFact.token(kind, $0) })
  }

  /// Asks for a label.
  ///
  /// Strings compare by what they mean, digests by bytes. Where the label has no other letters than
  /// ASCII's, only stored labels that have others can be equal with other bytes.
  mutating func require(label key: String, _ value: String) {
    let bytes = Array(key.utf8) + [0] + Array(value.utf8)
    guard bytes.allSatisfy({ $0 < 0x80 }) else { return }
    let token = unsafe bytes.withUnsafeBytes { unsafe DigestFact.token(label: $0) }
    groups.append([token, DigestFact.otherLabel])
  }

  /// Asks for a text in messages and names.
  mutating func require(_ text: TextSearch) {
    var found = Set<Int>()
    for run in text.sureRuns {
      unsafe run.withUnsafeBytes { bytes in
        unsafe DigestGrams.forEach(bytes) { found.insert($0) }
      }
    }
    for position in found.sorted() {
      grams[position / LogDigest.partPositions].append(position % LogDigest.partPositions)
    }
  }

  /// Whether digests can say nothing.
  var isEmpty: Bool { groups.isEmpty && grams.allSatisfy(\.isEmpty) }

  /// The parts that it asks, the cheapest first.
  var parts: [Int] {
    (groups.isEmpty ? [] : [0]) + (1...LogDigest.gramParts).filter { !grams[$0 - 1].isEmpty }
  }

  /// The cells that may hold a wanted log as far as one part can say.
  func mask(part number: Int, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
    guard number == 0 else {
      var mask = UInt32.max
      for position in grams[number - 1] { mask &= unsafe LogDigest.gram(bytes, position) }
      return mask
    }
    var mask = UInt32.max
    for group in groups where mask != 0 {
      mask &= group.reduce(0) { cells, token in
        let found = unsafe Self.find(token, bytes)
        return cells | found.mask | found.overflow
      }
    }
    return mask
  }

  /// The cells of a fact by part 0, and those where it may be unknown.
  static func find(
    _ token: UInt32, _ head: UnsafeRawBufferPointer
  ) -> (mask: UInt32, overflow: UInt32) {
    unsafe DigestFacts.find(
      token, in: UnsafeRawBufferPointer(rebasing: head[LogDigest.headBytes...]))
  }
}

import IntegrationModel
import SQLiteDatabase

/// What a selection asks of digests: a cell that has not all of it holds no wanted log.
///
/// It asks only what is sure: a part of a selection that digests cannot decide is left out.
struct DigestFilter {
  /// Facts; of each group a log has at least one.
  private(set) var groups: [[UInt32]] = []
  /// Bits of the runs of bytes that the text has.
  private var bits: [Int] = []
  /// Positions of those runs by part of the table, counted within the part.
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
    var (found, bits) = (Set<Int>(), Set<Int>())
    for run in text.sureRuns {
      unsafe run.withUnsafeBytes { bytes in
        unsafe DigestGrams.forEach(bytes) {
          found.insert($0)
        } bit: {
          bits.insert($0)
        }
      }
    }
    self.bits = bits.sorted()
    for position in found.sorted() {
      grams[position / LogDigest.partPositions].append(position % LogDigest.partPositions)
    }
  }

  /// Whether digests can say nothing.
  var isEmpty: Bool { groups.isEmpty && grams.allSatisfy(\.isEmpty) }

  /// The parts that it asks, the cheapest first.
  var parts: [Int] {
    var parts = groups.isEmpty ? [] : [0]
    if !bits.isEmpty { parts.append(LogDigest.bitsPart) }
    // Those that ask most refuse most.
    let asking = grams.indices.filter { !grams[$0].isEmpty }
    return parts
      + asking.sorted { grams[$0].count > grams[$1].count }.map { LogDigest.firstGramPart + $0 }
  }

  /// The cells that may hold a wanted log as far as one part can say.
  func mask(part number: Int, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var mask = UInt32.max
    if number == LogDigest.bitsPart {
      let hasAll = bits.allSatisfy {
        unsafe LogDigest.word(bytes, $0 / 64) >> UInt64($0 % 64) & 1 != 0
      }
      return hasAll ? mask : 0
    }
    if number > 0 {
      for position in grams[number - LogDigest.firstGramPart] {
        mask &= unsafe LogDigest.gram(bytes, position)
      }
      return mask
    }
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

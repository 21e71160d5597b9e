/// Which runs of bytes stand in texts: every three and every five neighbours, in lower case.
///
/// One table of cells' masks; a run has one position. Three tell words apart, five numbers, whose
/// runs of three stand nearly everywhere.
enum DigestGrams {
  /// The number of positions, a power of two.
  static let positions = 4_096
  private static let shift: UInt64 = 52
  private static let three: UInt64 = 0x9e37_79b9_7f4a_7c15
  private static let five: UInt64 = 0xd1b5_4a32_d192_ed03

  /// Calls `body` with the position of each run of a text.
  @inline(__always)
  static func forEach(_ text: UnsafeRawBufferPointer, _ body: (Int) -> Void) {
    let count = text.count
    guard count >= 3 else { return }
    var window = unsafe UInt64(lower(text[0])) << 8 | UInt64(lower(text[1]))
    for position in 2..<min(count, 4) {
      window = window << 8 | UInt64(unsafe lower(text[position]))
      body(Int(truncatingIfNeeded: ((window & 0xff_ffff) &* three) >> shift))
    }
    guard count > 4 else { return }
    for position in 4..<count {
      window = window << 8 | UInt64(unsafe lower(text[position]))
      body(Int(truncatingIfNeeded: ((window & 0xff_ffff) &* three) >> shift))
      body(Int(truncatingIfNeeded: ((window & 0xff_ffff_ffff) &* five) >> shift))
    }
  }

  /// The four positions that a fact has when the facts are full.
  static func positions(ofFact token: UInt32) -> [Int] {
    let mixed = Hashing.mix(UInt64(token))
    return (0..<4).map { Int(truncatingIfNeeded: mixed >> (12 * UInt64($0))) & (positions - 1) }
  }

  /// ASCII's capitals in lower case, all other bytes as they are.
  @inline(__always)
  static func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}

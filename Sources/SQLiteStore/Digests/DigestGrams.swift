/// Which runs of bytes stand in texts: every three and every five neighbours, in lower case.
///
/// Runs of three tell words apart, runs of five numbers, whose runs of three stand nearly
/// everywhere. Each has one position in a table of cells' masks; runs of three have a bit besides
/// that says whether any cell has them, so that most digests are refused by one look.
enum DigestGrams {
  /// The number of positions, a power of two.
  static let positions = 1 << 13
  /// The number of bits: as many as a row holds without a page of its own.
  static let bits = 7 * 1_024
  private static let three: UInt64 = 0x9e37_79b9_7f4a_7c15
  private static let five: UInt64 = 0xd1b5_4a32_d192_ed03

  /// Calls `place` with the position of each run of a text, and `bit` with the bits of those that
  /// have one.
  @inline(__always)
  static func forEach(
    _ text: UnsafeRawBufferPointer, place: (Int) -> Void, bit: (Int) -> Void
  ) {
    let count = text.count
    guard count >= 3 else { return }
    var window = unsafe UInt64(lower(text[0])) << 8 | UInt64(lower(text[1]))
    for index in 2..<count {
      window = window << 8 | UInt64(unsafe lower(text[index]))
      let ofThree = (window & 0xff_ffff) &* three
      place(Int(truncatingIfNeeded: ofThree >> (64 - 13)))
      // The lower half of the product's upper bits, brought into the range.
      bit(Int(truncatingIfNeeded: ((ofThree >> 16 & 0xffff_ffff) &* UInt64(bits)) >> 32))
      if index >= 4 {
        let ofFive = (window & 0xff_ffff_ffff) &* five
        place(Int(truncatingIfNeeded: ofFive >> (64 - 13)))
      }
    }
  }

  /// The four positions that a fact has when the facts are full.
  static func positions(ofFact token: UInt32) -> [Int] {
    let mixed = Hashing.mix(UInt64(token))
    return (0..<4).map { Int(truncatingIfNeeded: mixed >> (16 * UInt64($0))) & (positions - 1) }
  }

  /// ASCII's capitals in lower case, all other bytes as they are.
  @inline(__always)
  static func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}

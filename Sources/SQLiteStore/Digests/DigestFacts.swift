import IntegrationModel
import IntegrationStore

/// What logs have in common besides text, each as one number: a hash of kind and value.
enum DigestFact {
  /// The kinds whose values are numbers of the database.
  enum Kind: UInt64 {
    case action = 1
    case agent = 2
    case entityType = 3
    case status = 4
    case trigger = 5
  }

  /// Some label with letters outside ASCII, which may equal labels of other bytes.
  static let otherLabel: UInt32 = 3

  /// The token of a number; never 0.
  static func token(_ kind: Kind, _ value: Int64) -> UInt32 {
    // Entries in memory keep 32 bits of a number, more than there are of any kind.
    let number = UInt64(bitPattern: Int64(Int32(clamping: value)))
    let mixed = Hashing.mix(kind.rawValue << 56 ^ number)
    return UInt32(truncatingIfNeeded: mixed >> 32) | 1
  }

  /// The token of a label as it is stored: key NUL value.
  static func token(label bytes: UnsafeRawBufferPointer) -> UInt32 {
    UInt32(truncatingIfNeeded: unsafe Hashing.hash(bytes, seed: 6) >> 32) | 1
  }

  /// Calls `body` with the tokens of stored labels: key NUL value NUL, and so on.
  static func forEachLabel(_ labels: UnsafeRawBufferPointer, _ body: (UInt32) -> Void) {
    var (start, separators, isASCII) = (0, 0, true)
    for position in 0..<labels.count {
      let byte = unsafe labels[position]
      if byte >= 0x80 { isASCII = false }
      guard byte == 0 else { continue }
      separators += 1
      guard separators == 2 else { continue }
      body(unsafe token(label: UnsafeRawBufferPointer(rebasing: labels[start..<position])))
      if !isASCII { body(otherLabel) }
      (start, separators, isASCII) = (position + 1, 0, true)
    }
  }
}

/// The facts of a digest, each with the cells that have it.
///
/// Facts beyond the limit are told apart by `overflow`: the cells where a fact found no room.
struct DigestFacts {
  /// How many one digest keeps.
  static let maximumCount = 1_024
  /// Twice as many, a power of two.
  private static let slots = 2_048

  private var tokens = [UInt32](repeating: 0, count: slots)
  private var masks = [UInt32](repeating: 0, count: slots)
  private var count = 0
  /// Cells with a fact that found no room.
  private(set) var overflow: UInt32 = 0

  /// What an insert did.
  enum Outcome {
    case nothing
    case changed
    /// There is no room: the caller notes the fact elsewhere.
    case full
  }

  /// Adds cells to a fact.
  mutating func insert(_ token: UInt32, _ mask: UInt32) -> Outcome {
    var slot = Int((token &* 0x9e37_79b1) >> 21)
    while tokens[slot] != 0, tokens[slot] != token { slot = (slot + 1) & (Self.slots - 1) }
    if tokens[slot] == token {
      if masks[slot] & mask == mask { return .nothing }
      masks[slot] |= mask
      return .changed
    }
    guard count < Self.maximumCount else {
      overflow |= mask
      return .full
    }
    count += 1
    tokens[slot] = token
    masks[slot] = mask
    return .changed
  }

  // MARK: - On disk: token and mask of 4 bytes each, little-endian, by token; 0 is the overflow

  /// Appends the entries.
  func encode(into bytes: inout [UInt8]) {
    var entries: [UInt64] = overflow == 0 ? [] : [UInt64(overflow)]
    for slot in 0..<Self.slots where tokens[slot] != 0 {
      entries.append(UInt64(tokens[slot]) << 32 | UInt64(masks[slot]))
    }
    entries.sort()
    for entry in entries {
      append(UInt32(truncatingIfNeeded: entry >> 32), to: &bytes)
      append(UInt32(truncatingIfNeeded: entry), to: &bytes)
    }
  }

  private func append(_ number: UInt32, to bytes: inout [UInt8]) {
    unsafe withUnsafeBytes(of: number.littleEndian) { unsafe bytes.append(contentsOf: $0) }
  }

  /// Reads entries.
  init(_ bytes: UnsafeRawBufferPointer) {
    for index in 0..<bytes.count / 8 {
      let token = unsafe Self.number(bytes, 8 * index)
      let mask = unsafe Self.number(bytes, 8 * index + 4)
      if token == 0 { overflow = mask } else { _ = insert(token, mask) }
    }
  }

  init() {}

  /// The cells of a fact in entries as they are stored, and those where it may be unknown.
  static func find(
    _ token: UInt32, in bytes: UnsafeRawBufferPointer
  ) -> (mask: UInt32, overflow: UInt32) {
    // What is left behind the last whole entry is damage.
    let count = bytes.count / 8
    var (low, high) = (0, count)
    guard count > 0 else { return (0, 0) }
    let overflow = unsafe number(bytes, 0) == 0 ? unsafe number(bytes, 4) : 0
    while low < high {
      let middle = (low + high) / 2
      if unsafe number(bytes, 8 * middle) < token { low = middle + 1 } else { high = middle }
    }
    guard low < count, unsafe number(bytes, 8 * low) == token else {
      return (0, overflow)
    }
    return (unsafe number(bytes, 8 * low + 4), overflow)
  }

  private static func number(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
    unsafe UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }
}

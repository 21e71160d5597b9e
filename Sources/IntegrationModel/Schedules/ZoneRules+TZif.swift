/// Why bytes are no zone's file.
public struct ZoneProblem: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was expected.
  public let description: String
}

extension ZoneRules {
  /// The longest file that is read; the longest that exist have 4 KiB.
  public static let maximumFileBytes = 1 << 20

  /// Reads a file in the format TZif (RFC 9636) of version 2 or later.
  ///
  /// The first block, which is there for old readers, is passed; names of zone types and flags are
  /// not used. A file with leap seconds is refused: the server's clock does not count them.
  public init(tzif bytes: [UInt8]) throws(ZoneProblem) {
    guard bytes.count <= Self.maximumFileBytes else {
      throw ZoneProblem(description: "expected at most \(Self.maximumFileBytes) bytes")
    }
    var reader = TZifReader(bytes: bytes)
    let first = try reader.header()
    guard first.version >= UInt8(ascii: "2") else {
      throw ZoneProblem(description: "expected a TZif file of version 2 or later")
    }
    try reader.skip(first.dataBytes(timeBytes: 4))
    let header = try reader.header()
    self = try reader.rules(header)
  }
}

/// Walks over a file; every step is checked against its end.
private struct TZifReader {
  let bytes: [UInt8]
  var place = 0

  struct Header {
    var version: UInt8
    var utcFlags: Int
    var standardFlags: Int
    var leapSeconds: Int
    var transitions: Int
    var types: Int
    var nameBytes: Int

    func dataBytes(timeBytes: Int) -> Int {
      transitions * (timeBytes + 1) + types * 6 + nameBytes + leapSeconds * (timeBytes + 4)
        + standardFlags + utcFlags
    }
  }

  private static let truncated = ZoneProblem(
    description: "expected more bytes; the file is cut off")

  mutating func skip(_ count: Int) throws(ZoneProblem) {
    guard count <= bytes.count - place else { throw Self.truncated }
    place += count
  }

  private mutating func integer(bytes count: Int) throws(ZoneProblem) -> Int64 {
    guard count <= bytes.count - place else { throw Self.truncated }
    var bits: UInt64 = 0
    for index in place..<place + count { bits = bits << 8 | UInt64(bytes[index]) }
    place += count
    return count == 4 ? Int64(Int32(truncatingIfNeeded: bits)) : Int64(bitPattern: bits)
  }

  mutating func header() throws(ZoneProblem) -> Header {
    guard bytes.count - place >= 44, Array(bytes[place..<place + 4]) == Array("TZif".utf8) else {
      throw ZoneProblem(description: "expected a file that begins with TZif")
    }
    let version = bytes[place + 4]
    place += 20
    var counts: [Int] = []
    for _ in 0..<6 {
      let count = Int(try integer(bytes: 4))
      guard (0...ZoneRules.maximumFileBytes).contains(count) else { throw Self.truncated }
      counts.append(count)
    }
    return Header(
      version: version, utcFlags: counts[0], standardFlags: counts[1], leapSeconds: counts[2],
      transitions: counts[3], types: counts[4], nameBytes: counts[5])
  }

  mutating func rules(_ header: Header) throws(ZoneProblem) -> ZoneRules {
    guard header.leapSeconds == 0 else {
      throw ZoneProblem(description: "expected a file without leap seconds")
    }
    guard (1...256).contains(header.types) else {
      throw ZoneProblem(description: "expected 1 to 256 types of local time")
    }
    guard header.dataBytes(timeBytes: 8) <= bytes.count - place else { throw Self.truncated }
    var transitions: [Int64] = []
    transitions.reserveCapacity(header.transitions)
    for _ in 0..<header.transitions {
      let time = try integer(bytes: 8)
      guard time > transitions.last ?? .min, time.magnitude < 1 << 59 else {
        throw ZoneProblem(description: "expected transitions in rising order")
      }
      transitions.append(time)
    }
    let indexes = Array(bytes[place..<place + header.transitions])
    place += header.transitions
    var types: [Int32] = []
    for _ in 0..<header.types {
      let offset = Int32(truncatingIfNeeded: try integer(bytes: 4))
      // RFC 9636: within a little more than a day.
      guard (-89_999...93_599).contains(offset) else {
        throw ZoneProblem(description: "expected offsets of about a day at most")
      }
      types.append(offset)
      place += 2
    }
    var offsets: [Int32] = []
    for index in indexes {
      guard Int(index) < types.count else {
        throw ZoneProblem(description: "expected a type of local time that is listed")
      }
      offsets.append(types[Int(index)])
    }
    try skip(header.nameBytes + header.standardFlags + header.utcFlags)
    return ZoneRules(
      transitions: transitions, offsets: offsets, firstOffset: types[0], footer: try footer())
  }

  private mutating func footer() throws(ZoneProblem) -> ZoneFooter? {
    guard place < bytes.count, bytes[place] == UInt8(ascii: "\n"),
      let end = bytes[(place + 1)...].firstIndex(of: UInt8(ascii: "\n"))
    else { throw Self.truncated }
    let text = bytes[place + 1..<end]
    guard !text.isEmpty else { return nil }
    guard let footer = ZoneFooter(text) else {
      throw ZoneProblem(description: "expected a footer as POSIX defines TZ")
    }
    return footer
  }
}

import Credentials
import IntegrationModel
import IntegrationStore
import RPCWire

@testable import IntegrationService
@testable import SQLiteStore

extension FuzzTarget {
  /// Keys and tokens, and what a sealed secret is read from.
  ///
  /// Input: what is done; then a key's text, the characters of a right key, or sealed bytes.
  static let keys = FuzzTarget("keys", maximumBytes: 128) { bytes in
    var input = FuzzInput(bytes)
    switch input.byte() % 3 {
    case 0:
      guard let key = try? AccessKey(parsing: input.rest) else { return }
      try require(key.secretText.utf8.elementsEqual(input.rest), "a key reads as another text")
    case 1:
      // A right key of this kind, with one byte changed.
      let place = Int(input.byte()) % AccessKey.textCharacters
      let change = input.byte()
      let key = try AccessKey.generate(change & 1 == 0 ? .integration : .operator)
      var text = Array(key.secretText.utf8)
      try require((try? AccessKey(parsing: text))?.id == key.id, "a right key is refused")
      text[place] ^= change
      let isTaken = (try? AccessKey(parsing: text)) != nil
      try require(isTaken == (change == 0), "a key with a wrong byte is taken")
    default:
      let key = try SealingKey(bytes: [UInt8](repeating: 7, count: SealingKey.keyBytes))
      let context = input.text()
      try require(
        (try? key.open(Array(input.rest), context: context)) == nil, "a made-up seal is opened")
    }
  }

  /// Ids, names, lease tokens, page and resume tokens.
  ///
  /// Input: what the text is, then the text.
  static let names = FuzzTarget("names", maximumBytes: 160) { bytes in
    var input = FuzzInput(bytes)
    let kind = input.byte() % 12
    let text = input.restText
    switch kind {
    case 0:
      guard let id = LogID(text) else { return }
      try require(id.description == text.lowercased(), "an id reads as another text")
    case 1:
      guard let range = LogID.range(ofPrefix: text) else { return }
      let (low, high) = (range.lowerBound.description, range.upperBound.description)
      let digits = text.lowercased().filter { $0 != "-" }
      for end in [low, high] {
        try require(
          end.filter { $0 != "-" }.hasPrefix(digits), "a range holds ids without the prefix")
      }
    case 2:
      guard let token = LeaseToken(text) else { return }
      try require(token.description == text.lowercased(), "a lease token reads as another text")
    case 3, 4, 5, 6, 7, 8: try pageToken(kind, text)
    case 9: _ = (try? BulkToken(text, .retry)).map { $0?.text(.retry) }
    case 10:
      let letters = "abcdefghijklmnopqrstuvwxyz0123456789_.-".utf8
      let isRight = text.utf8.allSatisfy { letters.contains($0) }
      let isName = isRight && (1...128).contains(text.utf8.count) && !"_.-".contains(text.first!)
      try require((FieldRules.complaint(name: text) == nil) == isName, "a name is judged wrongly")
    default:
      if ZoneRules.complaint(name: text) == nil {
        try require(!text.contains(".") && !text.hasPrefix("/"), "a zone leads out of its folder")
      }
      _ = LogPeriod.fixedOffset(text)
      _ = ZoneNames.near(to: text, among: ["Europe/Berlin", "America/New_York", "UTC"])
    }
  }

  private static func pageToken(_ kind: UInt8, _ text: String) throws {
    // Read, and where it is taken, written and read again.
    func same<Value>(
      _ read: (String) throws -> Value?, _ write: (Value) -> String, _ key: (Value) -> String
    ) throws {
      guard let value = try? read(text) else { return }
      let again = try read(write(value))
      try require(again.map(key) == key(value), "a page token reads as another place")
    }
    switch kind {
    case 3: try same(PageToken.position, PageToken.text) { "\($0)" }
    case 4: try same(PageToken.place, PageToken.text) { "\($0)" }
    case 5: try same(PageToken.name, PageToken.text(name:)) { $0 }
    case 6:
      try same(
        { try PageToken.place($0, in: .agents) }, { PageToken.text(.agents, $0) }
      ) { "\($0)" }
    case 7:
      try same(PageToken.number, PageToken.text(number:)) { "\($0)" }
    default:
      try same(
        { try PageToken.auditNumber($0, isOldestFirst: true) },
        { PageToken.text(auditNumber: $0, isOldestFirst: true) }
      ) { "\($0)" }
    }
  }

  /// Searches in texts: the search itself, digests that say where it need not look, and patterns of
  /// messages.
  ///
  /// Input: what is looked for, a 0, where.
  static let text = FuzzTarget("text", maximumBytes: 512) { bytes in
    var input = FuzzInput(bytes)
    let wanted = input.text()
    var place = input.restText
    let kind = MessagePattern.of(place)
    // Of a word at the limit's edge as much again may follow, and a gap.
    try require(kind.utf8.count <= 2 * MessagePattern.maximumBytes + 3, "a pattern is long")
    try require(!kind.contains("\u{fffd}") || place.contains("\u{fffd}"), "a letter is cut")
    guard !wanted.isEmpty else { return }
    // As the store looks: text without other letters than ASCII's byte by byte.
    let isASCII = wanted.utf8.allSatisfy { $0 < 0x80 }
    let pattern = Array(wanted.lowercased().utf8)
    let isFound =
      isASCII
      ? place.withUTF8 { TextSearch.contains(pattern, in: UnsafeRawBufferPointer($0)) }
      : place.lowercased().contains(wanted.lowercased())
    let digest = LogDigest(
      integration: 1, after: -1, last: 100, bounds: (0..<31).map { Int64($0) })
    place.withUTF8 { digest.add(text: UnsafeRawBufferPointer($0), 1 << 5) }
    var filter = DigestFilter()
    filter.require(TextSearch(wanted))
    var parts: [UInt32] = []
    for part in filter.parts {
      var stored: [UInt8] = []
      digest.encode(part: part, into: &stored)
      parts.append(stored.withUnsafeBytes { filter.mask(part: part, $0) })
    }
    let mask = parts.reduce(UInt32.max, &)
    try require(!isFound || mask & 1 << 5 != 0, "a digest denies a text that is there")
  }
}

/// Why a text is no cron expression.
public struct CronProblem: Error, Hashable, Sendable, CustomStringConvertible {
  /// Which field it is, for people; empty: the whole.
  public let field: String
  /// Where in the text, in characters from 1; 0: the whole.
  public let position: Int
  /// What was expected and what came.
  public let message: String

  /// Field, position and message in one sentence.
  public var description: String {
    field.isEmpty ? message : "\(field), at character \(position): \(message)"
  }
}

extension CronExpression {
  /// The longest text that is read: lists of all minutes fit.
  public static let maximumBytes = 512

  /// Reads five fields, or one of `@hourly @daily @midnight @weekly @monthly @yearly @annually`.
  ///
  /// A field is a list, parted by commas, of `*`, a number, a range `1-5`, each with a step `/2`;
  /// months and days of the week also by the first three letters of their English names, in any
  /// case; 0 and 7 are Sunday. `5/15` means 5 and every 15 after it.
  public init(_ text: String) throws(CronProblem) {
    guard text.utf8.count <= Self.maximumBytes else {
      throw CronProblem(
        field: "", position: 0,
        message: "expected at most \(Self.maximumBytes) bytes; it has \(text.utf8.count)")
    }
    let bytes = Array(text.utf8)
    var words: [Range<Int>] = []
    var start: Int?
    for place in 0...bytes.count {
      let isSpace = place == bytes.count || bytes[place] == 0x20 || bytes[place] == 0x09
      if isSpace, let first = start {
        words.append(first..<place)
        start = nil
      } else if !isSpace, start == nil {
        start = place
      }
    }
    if let word = words.first, bytes[word.lowerBound] == UInt8(ascii: "@") {
      try self.init(
        shortForm: String(decoding: bytes[word], as: UTF8.self), isAlone: words.count == 1)
      return
    }
    guard words.count == 5 else { throw .fieldCount(words.count) }
    try self.init(bytes, words)
    guard everMatches else {
      throw CronProblem(
        field: "", position: 0,
        message: "it never fires: no month that it names has a day that it names; name another "
          + "day of month or month")
    }
  }

  private init(_ bytes: [UInt8], _ words: [Range<Int>]) throws(CronProblem) {
    let fields = CronField.all
    minutes = try fields[0].bits(bytes, words[0])
    hours = try fields[1].bits(bytes, words[1])
    daysOfMonth = try fields[2].bits(bytes, words[2])
    months = try fields[3].bits(bytes, words[3])
    daysOfWeek = try fields[4].bits(bytes, words[4])
    // 7 is another name of Sunday.
    if daysOfWeek & 0x80 != 0 { daysOfWeek = daysOfWeek & 0x7f | 1 }
    hasAnyMinute = bytes[words[0].lowerBound] == UInt8(ascii: "*")
    hasAnyDayOfMonth = bytes[words[2].lowerBound] == UInt8(ascii: "*")
    hasAnyDayOfWeek = bytes[words[4].lowerBound] == UInt8(ascii: "*")
  }

  /// The short forms with what they stand for.
  static let shortForms: [(name: String, fields: String)] = [
    ("@hourly", "0 * * * *"), ("@daily", "0 0 * * *"), ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"), ("@monthly", "0 0 1 * *"), ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
  ]

  private init(shortForm name: String, isAlone: Bool) throws(CronProblem) {
    let folded = name.lowercased()
    guard let form = Self.shortForms.first(where: { $0.name == folded }), isAlone else {
      let known = Self.shortForms.map(\.name).joined(separator: ", ")
      throw CronProblem(
        field: "", position: 0,
        message: "expected five fields, or one of \(known) alone; it begins with \(name)")
    }
    try self.init(form.fields)
  }
}

extension CronProblem {
  fileprivate static func fieldCount(_ count: Int) -> CronProblem {
    let hint = count == 6 || count == 7 ? "; seconds and years are not taken" : ""
    return CronProblem(
      field: "", position: 0,
      message: "expected five fields (minute hour day-of-month month day-of-week) such as "
        + "\"30 2 * * 1-5\", or @daily and its like; it has \(count)\(hint)")
  }
}

/// What one of the five fields may hold.
private struct CronField {
  let name: String
  let range: ClosedRange<Int>
  let names: [String]
  let firstName: Int

  static let all = [
    CronField(name: "minute", range: 0...59, names: [], firstName: 0),
    CronField(name: "hour", range: 0...23, names: [], firstName: 0),
    CronField(name: "day of month", range: 1...31, names: [], firstName: 0),
    CronField(
      name: "month", range: 1...12,
      names: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
      firstName: 1),
    CronField(
      name: "day of week", range: 0...7,
      names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], firstName: 0),
  ]

  /// The values that one field of a text names, as bits.
  func bits(_ bytes: [UInt8], _ word: Range<Int>) throws(CronProblem) -> UInt64 {
    var bits: UInt64 = 0
    var scanner = Scanner(bytes: bytes, place: word.lowerBound, end: word.upperBound)
    while true {
      bits |= try item(&scanner)
      if scanner.isAtEnd { return bits }
      guard scanner.take(",") else {
        throw problem(scanner, "expected \",\", \"-\", \"/\" or the field's end")
      }
    }
  }

  private func item(_ scanner: inout Scanner) throws(CronProblem) -> UInt64 {
    let start = scanner
    var (low, high) = (range.lowerBound, range.upperBound)
    var isSingle = false
    if !scanner.take("*") {
      low = try value(&scanner)
      high = low
      if scanner.take("-") {
        let beforeHigh = scanner
        high = try value(&scanner)
        // A range to Sunday ends with 7, which is the same day.
        if high == 0, names.count == 7, low > 0 { high = 7 }
        guard high >= low else {
          throw problem(beforeHigh, "expected a range that rises; it goes from \(low) to \(high)")
        }
      } else {
        isSingle = true
      }
    } else if names.count == 7 {
      high = 6
    }
    var step = 1
    if scanner.take("/") {
      let beforeStep = scanner
      guard let number = scanner.number(), number > 0 else {
        throw problem(beforeStep, "expected a step from 1")
      }
      guard number <= range.upperBound else {
        throw problem(beforeStep, "expected a step from 1 to \(range.upperBound); it is \(number)")
      }
      step = number
      if isSingle { high = names.count == 7 ? 6 : range.upperBound }
      if low > high { throw problem(start, "expected a range that rises") }
    }
    var bits: UInt64 = 0
    for value in stride(from: low, through: high, by: step) { bits |= 1 << UInt64(value) }
    return bits
  }

  private func value(_ scanner: inout Scanner) throws(CronProblem) -> Int {
    let start = scanner
    if let number = scanner.number() {
      guard range.contains(number) else {
        throw problem(
          start, "expected \(range.lowerBound) to \(range.upperBound); it is \(number)")
      }
      return number
    }
    let word = scanner.letters()
    if let index = names.firstIndex(of: word) { return firstName + index }
    let example = names.isEmpty ? "" : " or a name such as \(names[1])"
    let what = word.isEmpty ? (scanner.isAtEnd ? "nothing" : "another character") : word
    throw problem(
      start,
      "expected *, a number from \(range.lowerBound) to \(range.upperBound)\(example); it has "
        + what)
  }

  private func problem(_ scanner: Scanner, _ message: String) -> CronProblem {
    CronProblem(field: "field \(name)", position: scanner.place + 1, message: message)
  }

  /// Walks over one field.
  struct Scanner {
    let bytes: [UInt8]
    var place: Int
    let end: Int

    var isAtEnd: Bool { place >= end }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
      guard place < end, bytes[place] == UInt8(ascii: character) else { return false }
      place += 1
      return true
    }

    /// Digits as a number; more than four are cut to a number that no field allows.
    mutating func number() -> Int? {
      let start = place
      var number = 0
      while place < end, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[place]) {
        number = min(number * 10 + Int(bytes[place] - UInt8(ascii: "0")), 9_999)
        place += 1
      }
      return place > start ? number : nil
    }

    /// Letters in upper case; a name of three has no more behind it.
    mutating func letters() -> String {
      var word = ""
      while place < end, word.utf8.count < 16 {
        let folded = bytes[place] & 0xdf
        guard (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(folded) else { break }
        word.unicodeScalars.append(Unicode.Scalar(folded))
        place += 1
      }
      return word
    }
  }
}

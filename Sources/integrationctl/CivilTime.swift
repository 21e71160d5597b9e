import CommandLineOptions

// The proleptic Gregorian calendar, after Howard Hinnant's "chrono-compatible low-level date
// algorithms": days are counted from 1970-01-01, years begin in March so that leap days come last.
extension TimeText {
  static func date(_ time: WallTime) -> String {
    let days = floorDivide(time.milliseconds, 86_400_000) + 719_468
    let era = floorDivide(days, 146_097)
    let dayOfEra = days - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
  }

  static func clock(_ time: WallTime) -> String {
    let seconds = floorModulo(time.milliseconds, 86_400_000) / 1000
    return
      "\(padded(seconds / 3600, 2)):\(padded(seconds % 3600 / 60, 2)):\(padded(seconds % 60, 2))"
  }

  static func daysSinceEpoch(year: Int64, month: Int64, day: Int64) -> Int64? {
    let lengths: [Int64] = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    guard (1...9999).contains(year), (1...12).contains(month),
      (1...lengths[Int(month) - 1]).contains(day)
    else { return nil }
    let shifted = month <= 2 ? year - 1 : year
    let era = floorDivide(shifted, 400)
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  private static func isLeap(_ year: Int64) -> Bool {
    year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
  }

  // MARK: Reading

  static func milliseconds(ofSpan text: String) -> Int64? {
    guard let span = DurationText.parse(text) else { return nil }
    return span.components.seconds * 1000 + span.components.attoseconds / 1_000_000_000_000_000
  }

  static func scanDate(_ scanner: inout DigitScanner) -> Int64? {
    guard let year = scanner.number(digits: 4), scanner.take(anyOf: "-"),
      let month = scanner.number(digits: 2), scanner.take(anyOf: "-"),
      let day = scanner.number(digits: 2)
    else { return nil }
    return daysSinceEpoch(year: year, month: month, day: day)
  }

  /// Milliseconds since midnight; a leap second counts as the last one before it.
  static func scanClock(_ scanner: inout DigitScanner) -> Int64? {
    guard let hour = scanner.number(digits: 2), hour < 24, scanner.take(anyOf: ":"),
      let minute = scanner.number(digits: 2), minute < 60, scanner.take(anyOf: ":"),
      let second = scanner.number(digits: 2), second <= 60
    else { return nil }
    var time = ((hour * 60 + minute) * 60 + min(second, 59)) * 1000
    if scanner.take(anyOf: ".") {
      guard let fraction = scanner.fractionInMilliseconds() else { return nil }
      time += fraction
    }
    return time
  }

  /// Minutes east of UTC.
  static func scanOffset(_ scanner: inout DigitScanner) -> Int64? {
    if scanner.take(anyOf: "Zz") { return 0 }
    let isWest = scanner.take(anyOf: "-")
    guard isWest || scanner.take(anyOf: "+"), let hours = scanner.number(digits: 2), hours < 24,
      scanner.take(anyOf: ":"), let minutes = scanner.number(digits: 2), minutes < 60
    else { return nil }
    return (hours * 60 + minutes) * (isWest ? -1 : 1)
  }

  // MARK: Numbers

  static func padded(_ number: Int64, _ digits: Int) -> String {
    let text = "\(number)"
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    value >= 0 ? value / divisor : (value + 1) / divisor - 1
  }

  static func floorModulo(_ value: Int64, _ divisor: Int64) -> Int64 {
    value - floorDivide(value, divisor) * divisor
  }
}

/// Reads fixed groups of ASCII digits from the front of a text.
struct DigitScanner {
  private var rest: Substring.UTF8View

  init(_ text: String) { rest = Substring(text).utf8 }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func number(digits: Int) -> Int64? {
    var value: Int64 = 0
    for _ in 0..<digits {
      guard let byte = rest.first, (48...57).contains(byte) else { return nil }
      value = value * 10 + Int64(byte - 48)
      rest.removeFirst()
    }
    return value
  }

  mutating func take(anyOf characters: StaticString) -> Bool {
    guard let byte = rest.first, "\(characters)".utf8.contains(byte) else { return false }
    rest.removeFirst()
    return true
  }

  /// One to nine digits behind the point; what is finer than a millisecond is dropped.
  mutating func fractionInMilliseconds() -> Int64? {
    var value: Int64 = 0
    var count = 0
    while let byte = rest.first, (48...57).contains(byte), count < 9 {
      if count < 3 { value = value * 10 + Int64(byte - 48) }
      count += 1
      rest.removeFirst()
    }
    guard count > 0 else { return nil }
    for _ in min(count, 3)..<3 { value *= 10 }
    return value
  }
}

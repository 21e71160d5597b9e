import IntegrationModel
import IntegrationStore
import JSONText
import SQLiteDatabase

/// How a column looks in a line of an export: as proto3 JSON writes it.
enum ExportForm {
  /// A text.
  case text
  /// A number that fits 53 bits.
  case number
  /// A number of 64 bits, as text.
  case wide
  /// A number with a fraction.
  case real
  /// 0 or 1.
  case flag
  /// Milliseconds since 1970, as RFC 3339.
  case time
  /// Bytes, as pairs of hexadecimal digits.
  case bytes
  /// A log's id.
  case logID
  /// Labels, as an object.
  case labels
  /// The number of an integration, by its name.
  case integration
  /// The number of an action of the line's integration, by its type.
  case action
  /// The number of an action, by its integration and type: `customsoft/export_quote`.
  case actionPath
  /// The number of a schedule, by its name.
  case schedule
  /// The number of an agent of the line's integration, by its id.
  case agent
  /// The number of a name.
  case name
  /// A number of an enumeration, by its name.
  case choice([Int64: String])

  static let status = ExportForm.choice(names(Status.self, [1, 2, 3, 4, 5, 6]))
  static let trigger = ExportForm.choice(
    names(LogTrigger.self, LogTrigger.allCases.map(\.rawValue)))
  static let cause = ExportForm.choice(
    names(TransitionCause.self, TransitionCause.allCases.map(\.rawValue)))
  static let role = ExportForm.choice(
    names(OperatorRole.self, OperatorRole.allCases.map(\.rawValue)))
  static let condition = ExportForm.choice(
    names(AgentCondition.self, AgentCondition.allCases.map(\.rawValue)))

  /// `leaseExpired` is LEASE_EXPIRED.
  private static func names<Value: RawRepresentable>(
    _ type: Value.Type, _ values: [UInt8]
  ) -> [Int64: String] where Value.RawValue == UInt8 {
    var names: [Int64: String] = [:]
    for value in values {
      guard let found = Value(rawValue: value) else { continue }
      names[Int64(value)] = "\(found)".reduce(into: "") { name, letter in
        if letter.isUppercase { name += "_" }
        name += letter.uppercased()
      }
    }
    return names
  }
}

/// One column of a table and its member in a line.
struct ExportColumn {
  let column: String
  let member: String
  let form: ExportForm

  init(_ column: String, _ form: ExportForm, as member: String? = nil) {
    self.column = column
    self.form = form
    self.member = member ?? Self.jsonName(column)
  }

  /// `status_message` is `statusMessage`.
  private static func jsonName(_ column: String) -> String {
    var name = ""
    var isAfterLine = false
    for letter in column {
      if letter == "_" {
        isAfterLine = true
      } else {
        name += isAfterLine ? letter.uppercased() : String(letter)
        isAfterLine = false
      }
    }
    return name
  }
}

/// Why a line of an import cannot be taken.
struct ImportFault: Error {
  let message: String
  init(_ message: String) { self.message = message }
}

/// Times of exports: RFC 3339 with milliseconds, in UTC.
enum ExportTime {
  /// Days are counted from 1970-01-01; years begin in March, so that leap days come last.
  static func text(_ milliseconds: Int64) -> String {
    // What no calendar of four digits knows is written as it is stored.
    guard (-62_135_596_800_000..<253_402_300_800_000).contains(milliseconds) else {
      return "\(milliseconds)"
    }
    let (day, rest) = floorDivide(milliseconds, 86_400_000)
    let (era, dayOfEra) = floorDivide(day + 719_468, 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let fromMarch = (5 * dayOfYear + 2) / 153
    let month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    let date =
      "\(pad(year, 4))-\(pad(month, 2))-\(pad(dayOfYear - (153 * fromMarch + 2) / 5 + 1, 2))"
    let second = rest / 1_000
    return "\(date)T\(pad(second / 3_600, 2)):\(pad(second % 3_600 / 60, 2)):\(pad(second % 60, 2))"
      + ".\(pad(rest % 1_000, 3))Z"
  }

  /// The milliseconds of what `text` writes; nil: it is something else.
  static func milliseconds(_ text: String) -> Int64? {
    if let number = Int64(text) { return number }
    let bytes = Array(text.utf8)
    guard bytes.count == 24, bytes[4] == 0x2D, bytes[7] == 0x2D, bytes[10] == 0x54,
      bytes[13] == 0x3A, bytes[16] == 0x3A, bytes[19] == 0x2E, bytes[23] == 0x5A
    else { return nil }
    func number(_ range: Range<Int>) -> Int64? {
      bytes[range].allSatisfy { (0x30...0x39).contains($0) }
        ? Int64(String(decoding: bytes[range], as: UTF8.self)) : nil
    }
    guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
      let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
      let part = number(20..<23), (1...12).contains(month), (1...31).contains(day), hour < 24,
      minute < 60, second < 60
    else { return nil }
    let shifted = month <= 2 ? year - 1 : year
    let (era, yearOfEra) = floorDivide(shifted, 400)
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    let days = era * 146_097 + dayOfEra - 719_468
    return ((days * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + part
  }

  private static func floorDivide(_ value: Int64, _ by: Int64) -> (Int64, Int64) {
    let (quotient, rest) = value.quotientAndRemainder(dividingBy: by)
    return rest < 0 ? (quotient - 1, rest + by) : (quotient, rest)
  }

  private static func pad(_ value: Int64, _ width: Int) -> String {
    let digits = "\(value)"
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

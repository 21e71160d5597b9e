import CommandLineOptions

/// The records that requests are made for, from a file or standard input.
///
/// One id a line, or CSV with the columns id and name; a first line that says so is a heading.
/// All of it is read and checked before anything is asked.
enum EntityList {
  /// One record.
  struct Record: Equatable, Sendable {
    var id: String
    var name = ""
  }

  /// The longest file: some million lines.
  static let maximumBytes = 64 << 20

  static func read(_ path: String) throws(Failure) -> [Record] {
    let bytes = try FileBytes.read(path, maximum: maximumBytes)
    do throws(Fault) {
      return try records(in: bytes)
    } catch {
      throw Failure(
        .usage, "\(FileBytes.name(path)), line \(error.line): \(error.problem)",
        next: "Nothing was asked. Write one id a line, or id,name.")
    }
  }

  /// Which line is wrong, and how.
  struct Fault: Error, Equatable {
    let line: Int
    let problem: String
  }

  static func records(in bytes: [UInt8]) throws(Fault) -> [Record] {
    var records: [Record] = []
    var start = bytes.startIndex
    var line = 0
    while start < bytes.endIndex {
      let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex
      line += 1
      if let record = try record(bytes[start..<end], line: line) { records.append(record) }
      start = end + 1
    }
    return records
  }

  /// One line's record; nil: it is empty or a heading.
  private static func record(_ bytes: ArraySlice<UInt8>, line: Int) throws(Fault) -> Record? {
    guard var text = String(validating: bytes, as: UTF8.self) else {
      throw Fault(line: line, problem: "it is not UTF-8")
    }
    if line == 1, text.hasPrefix("\u{FEFF}") { text.removeFirst() }
    if text.hasSuffix("\r") { text.removeLast() }
    guard text.contains(where: { !$0.isWhitespace }) else { return nil }
    let cells = try cells(text, line: line)
    let heading = cells.map { $0.lowercased() }
    if line == 1, heading == ["id"] || heading == ["id", "name"] { return nil }
    if line == 1, heading == ["name", "id"] {
      throw Fault(line: line, problem: "expected the columns id,name in this order")
    }
    guard cells.count <= 2 else {
      throw Fault(line: line, problem: "expected id or id,name; it has \(cells.count) columns")
    }
    let record = Record(id: cells[0], name: cells.count == 2 ? cells[1] : "")
    guard (1...256).contains(record.id.utf8.count) else {
      throw Fault(
        line: line, problem: "expected an id of 1 to 256 bytes; it has \(record.id.utf8.count)")
    }
    guard record.name.utf8.count <= 256 else {
      throw Fault(
        line: line,
        problem: "expected a name of at most 256 bytes; it has \(record.name.utf8.count)")
    }
    guard !(record.id + record.name).unicodeScalars.contains(where: { $0.value == 0 }) else {
      throw Fault(line: line, problem: "it has a NUL character")
    }
    return record
  }

  /// The cells of a line of CSV (RFC 4180).
  private static func cells(_ text: String, line: Int) throws(Fault) -> [String] {
    var cells: [String] = []
    var rest = text[...]
    while true {
      if rest.first == "\"" {
        rest.removeFirst()
        var cell = ""
        while true {
          guard let quote = rest.firstIndex(of: "\"") else {
            throw Fault(line: line, problem: "a quote is not closed")
          }
          cell += rest[..<quote]
          rest = rest[rest.index(after: quote)...]
          guard rest.first == "\"" else { break }
          cell += "\""
          rest.removeFirst()
        }
        guard rest.isEmpty || rest.first == "," else {
          throw Fault(line: line, problem: "expected a comma behind a quoted cell")
        }
        cells.append(cell)
      } else {
        let cell = rest.prefix { $0 != "," }
        rest = rest.dropFirst(cell.count)
        cells.append(String(cell))
      }
      guard rest.first == "," else { return cells }
      rest.removeFirst()
    }
  }
}

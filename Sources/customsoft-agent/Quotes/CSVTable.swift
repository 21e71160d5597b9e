/// A CSV file (RFC 4180) with a header line, read whole.
///
/// Fields may stand in quotes, hold commas, line breaks and doubled quotes; lines end with LF or
/// CRLF; a byte order mark and empty lines are passed over. Header names are compared without case.
struct CSVTable: Sendable {
  /// A record and the line of the file that it begins on.
  struct Row: Sendable, Equatable {
    var line: Int
    var fields: [String]
  }

  /// Lower-case names of the columns, in their order.
  private(set) var columns: [String] = []
  private(set) var rows: [Row] = []

  /// Reads `text`.
  ///
  /// - Throws: A fault that names the line: a quote that is never closed, text behind a closing
  ///   quote, more or fewer fields than the header has.
  init(_ text: String) throws(SourceFault) {
    var scanner = Scanner(bytes: Array(text.utf8))
    guard let header = try scanner.nextRow() else {
      throw SourceFault("The file is empty; its first line must name the columns.")
    }
    columns = header.fields.map { $0.lowercased() }
    while let row = try scanner.nextRow() {
      guard row.fields.count == columns.count else {
        throw SourceFault(
          "Line \(row.line) has \(row.fields.count) fields where the header has \(columns.count);"
            + " put fields that contain a comma in quotes.")
      }
      rows.append(row)
    }
  }

  /// Where the named columns stand.
  ///
  /// - Throws: A fault that lists the missing ones.
  func positions(of names: [String]) throws(SourceFault) -> [String: Int] {
    var positions: [String: Int] = [:]
    for (index, column) in columns.enumerated() where positions[column] == nil {
      positions[column] = index
    }
    let missing = names.filter { positions[$0] == nil }
    guard missing.isEmpty else {
      throw SourceFault(
        "The header lacks \(missing.joined(separator: ", ")); it has"
          + " \(columns.joined(separator: ", ")).")
    }
    return positions
  }

  private struct Scanner {
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1

    init(bytes: [UInt8]) {
      self.bytes = bytes
      if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    mutating func nextRow() throws(SourceFault) -> Row? {
      while position < bytes.count, isLineBreak(bytes[position]) { step() }
      guard position < bytes.count else { return nil }
      var row = Row(line: line, fields: [])
      while true {
        row.fields.append(try nextField())
        guard position < bytes.count, bytes[position] == UInt8(ascii: ",") else { return row }
        step()
      }
    }

    private mutating func nextField() throws(SourceFault) -> String {
      if position < bytes.count, bytes[position] == UInt8(ascii: "\"") { return try quotedField() }
      let start = position
      while position < bytes.count, bytes[position] != UInt8(ascii: ","),
        !isLineBreak(bytes[position])
      {
        step()
      }
      return trimmed(bytes[start..<position])
    }

    private mutating func quotedField() throws(SourceFault) -> String {
      let start = line
      var field: [UInt8] = []
      step()
      while position < bytes.count {
        let byte = bytes[position]
        step()
        if byte != UInt8(ascii: "\"") {
          field.append(byte)
        } else if position < bytes.count, bytes[position] == UInt8(ascii: "\"") {
          field.append(byte)
          step()
        } else {
          try expectEndOfField()
          return String(decoding: field, as: UTF8.self)
        }
      }
      throw SourceFault("The quote that opens on line \(start) is never closed.")
    }

    private func expectEndOfField() throws(SourceFault) {
      guard position < bytes.count, bytes[position] != UInt8(ascii: ","),
        !isLineBreak(bytes[position])
      else { return }
      throw SourceFault(
        "Line \(line) has text behind a closing quote; double the quotes inside a quoted field.")
    }

    private mutating func step() {
      if bytes[position] == UInt8(ascii: "\n") { line += 1 }
      position += 1
    }

    private func isLineBreak(_ byte: UInt8) -> Bool {
      byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r")
    }

    private func trimmed(_ field: ArraySlice<UInt8>) -> String {
      var field = field
      let blanks: [UInt8] = [UInt8(ascii: " "), UInt8(ascii: "\t")]
      while let first = field.first, blanks.contains(first) { field.removeFirst() }
      while let last = field.last, blanks.contains(last) { field.removeLast() }
      return String(decoding: field, as: UTF8.self)
    }
  }
}

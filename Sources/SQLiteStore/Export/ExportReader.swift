import IntegrationModel
import IntegrationStore
import JSONText
import SQLiteDatabase

/// Turns rows into members of lines, on a reader.
final class ExportReader {
  let database: SQLiteConnection
  let names: NameCache
  private var integrations: [Int64: String] = [:]

  init(_ reader: Reader) throws {
    database = reader.database
    names = reader.names
    for record in try CatalogRows.integrations(database) { integrations[record.id] = record.name }
  }

  /// The members of the current row; NULL is left out.
  func members(
    _ row: SQLiteStatement, _ columns: [ExportColumn]
  ) throws -> [(name: String, value: JSONTree)] {
    var members: [(name: String, value: JSONTree)] = []
    for (place, column) in columns.enumerated() where !row.isNull(place) {
      members.append((column.member, try value(row, place, column.form)))
    }
    return members
  }

  private func value(_ row: SQLiteStatement, _ place: Int, _ form: ExportForm) throws -> JSONTree {
    switch form {
    case .text: .text(row.text(place))
    case .number: .number("\(row.integer(place))")
    case .wide: .text("\(row.integer(place))")
    case .real: .number("\(row.real(place))")
    case .flag: .bool(row.integer(place) != 0)
    case .time: .text(ExportTime.text(row.integer(place)))
    case .bytes: .text(Self.hexadecimal(row.blob(place)))
    case .logID: .text(row.logID(place)?.description ?? "")
    case .labels:
      .object(
        Labels.decode(row.blob(place)).sorted { $0.key < $1.key }.map { ($0.key, .text($0.value)) })
    case .integration: .text(integrations[row.integer(place)] ?? "")
    case .actionPath:
      .text(
        try text(
          """
          SELECT i.name || '/' || a.type FROM actions a JOIN integrations i ON i.id = a.integration
          WHERE a.id = ?
          """, row.integer(place)))
    case .schedule:
      .text(try text("SELECT name FROM schedules WHERE id = ?", row.integer(place)))
    case .action: .text(try names.action(row.integer(place)))
    case .agent: .text(try names.agent(row.integer(place)))
    case .name: .text(try names.name(row.integer(place)))
    case .choice(let names): .text(names[row.integer(place)] ?? "\(row.integer(place))")
    }
  }

  private func text(_ sql: String, _ number: Int64) throws -> String {
    try database.rows(sql, .integer(number)).first?.first?.text ?? ""
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return String(decoding: text, as: UTF8.self)
  }
}

/// Turns members of lines into rows, in the writer's transaction.
final class ImportWriter {
  let writer: Writer
  var database: SQLiteConnection { writer.database }
  var integrations: [String: Int64] = [:]
  private var actions: [String: Int64] = [:]
  private var agents: [String: Int64] = [:]
  var schedules: [String: Int64] = [:]
  /// Logs that are stored.
  var logs: UInt64 = 0

  init(_ writer: Writer) { self.writer = writer }

  /// Inserts one row from a line's members, and returns the number that it got.
  func insert(
    _ members: [String: JSONValue], into table: String, _ columns: [ExportColumn],
    defaults: [String: String] = [:]
  ) throws -> Int64 {
    let others = defaults.sorted { $0.key < $1.key }
    let names = columns.map(\.column) + others.map(\.key)
    let values = columns.map { _ in "?" } + others.map(\.value)
    let insert = try database.statement(
      """
      INSERT INTO \(table)(\(names.joined(separator: ", ")))
      VALUES(\(values.joined(separator: ", ")))
      """)
    let integration = try integration(members)
    for (place, column) in columns.enumerated() {
      try bind(insert, place + 1, members[column.member], column, integration)
    }
    if let problem = try Self.conflict(insert) {
      throw ImportFault(
        problem.hasPrefix("UNIQUE")
          ? "this row of \(table) is there already: the line stands twice, or the server is not "
            + "empty, and an import takes an empty one"
          : "a row of \(table) misses a member: \(problem)")
    }
    return database.lastInsertRowID
  }

  /// Runs an insert; what a rule of the table says against it, nil: nothing.
  private static func conflict(_ insert: SQLiteStatement) throws(SQLiteError) -> String? {
    do throws(SQLiteError) {
      try insert.run()
      return nil
    } catch {
      guard error.isConstraint else { throw error }
      return error.message
    }
  }

  /// The number of the integration that a line names; 0: it names none.
  func integration(_ members: [String: JSONValue]) throws(ImportFault) -> Int64 {
    guard let member = members["integration"] else { return 0 }
    guard case .string(let name) = member, let number = integrations[name] else {
      throw ImportFault("expected \"integration\" to name one of a line before")
    }
    return number
  }

  func remember(action: String, of integration: Int64, _ number: Int64) {
    actions["\(integration)/\(action)"] = number
  }

  func remember(agent: String, of integration: Int64, _ number: Int64) {
    agents["\(integration)/\(agent)"] = number
  }

  private func bind(
    _ statement: SQLiteStatement, _ place: Int, _ value: JSONValue?, _ column: ExportColumn,
    _ integration: Int64
  ) throws {
    guard let value else { return statement.bindNull(place) }
    switch (column.form, value) {
    case (.text, .string(let text)): statement.bind(place, text)
    case (.number, .number(let number)) where number.isWholeNumber && abs(number) < 9.0e15:
      statement.bind(place, Int64(number))
    case (.real, .number(let number)): statement.bind(place, number)
    case (.flag, .bool(let flag)): statement.bind(place, flag: flag)
    case (.labels, .object(let labels)):
      let texts = try labels.dictionary.mapValues { try Self.text($0, column) }
      statement.bind(place, blob: Labels.encode(texts))
    default:
      let text = try Self.text(value, column)
      switch column.form {
      case .bytes: statement.bind(place, blob: try Self.bytes(text, column))
      case .logID: statement.bind(place, try Self.known(LogID(text), column, "a log's id"))
      case .wide: statement.bind(place, try Self.known(Int64(text), column, "a number as text"))
      case .time:
        statement.bind(
          place, try Self.known(ExportTime.milliseconds(text), column, "a time of RFC 3339"))
      case .integration: statement.bind(place, integration)
      case .action:
        statement.bind(
          place,
          try Self.known(
            actions["\(integration)/\(text)"], column, "the type of an action of a line before"))
      case .actionPath:
        let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
        let owner = parts.first.flatMap { integrations[$0] } ?? 0
        statement.bind(
          place,
          try Self.known(
            actions["\(owner)/\(parts.last ?? "")"], column, "an action of a line before"))
      case .schedule:
        statement.bind(
          place, try Self.known(schedules[text], column, "a schedule of a line before"))
      case .agent:
        statement.bind(
          place,
          try Self.known(
            agents["\(integration)/\(text)"], column, "the id of an agent of a line before"))
      case .name: statement.bind(place, try writer.directory.name(text, database))
      case .choice(let names):
        let number = names.first { $0.value == text }?.key
        let all = names.sorted { $0.key < $1.key }.map(\.value).joined(separator: ", ")
        statement.bind(place, try Self.known(number, column, "one of \(all)"))
      case .text, .number, .real, .flag, .labels: throw Self.fault(column, value)
      }
    }
  }

  private static func known<Value>(
    _ value: Value?, _ column: ExportColumn, _ expected: String
  ) throws(ImportFault) -> Value {
    guard let value else { throw ImportFault("expected \"\(column.member)\" to be \(expected)") }
    return value
  }

  private static func text(
    _ value: JSONValue, _ column: ExportColumn
  ) throws(ImportFault) -> String {
    guard case .string(let text) = value, !text.utf8.contains(0) else { throw fault(column, value) }
    return text
  }

  private static func fault(_ column: ExportColumn, _ value: JSONValue) -> ImportFault {
    let expected =
      switch column.form {
      case .number: "a whole number"
      case .real: "a number"
      case .flag: "true or false"
      case .labels: "an object of texts"
      default: "a text"
      }
    return ImportFault("expected \"\(column.member)\" to be \(expected); it is \(value.kindName)")
  }

  private static func bytes(_ text: String, _ column: ExportColumn) throws(ImportFault) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    guard digits.count == text.utf8.count, digits.count % 2 == 0 else {
      throw ImportFault("expected \"\(column.member)\" to be pairs of hexadecimal digits")
    }
    return stride(from: 0, to: digits.count, by: 2).map {
      UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
  }
}

import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// A selection with its names as numbers, asked of each visited row.
///
/// Cheap questions come first, and only the columns that a question needs are read.
struct LogMatcher {
  private var actions: Set<Int64>?
  private var agents: Set<Int64>?
  private var statuses: Set<Int64>?
  private var triggers: Set<Int64>?
  private var entityType: Int64?
  private var entityIDs: Set<String>
  private let text: String
  private let labels: [String: String]
  /// Whether a name is unknown, so that nothing matches.
  private(set) var isImpossible = false

  init(_ selection: LogSelection, _ database: SQLiteConnection) throws {
    entityIDs = Set(selection.entityIDs)
    text = selection.text
    labels = selection.labels
    if !selection.statuses.isEmpty { statuses = Set(selection.statuses.map { Int64($0.rawValue) }) }
    if !selection.triggers.isEmpty { triggers = Set(selection.triggers.map { Int64($0.rawValue) }) }
    if !selection.actionTypes.isEmpty {
      actions = try Self.numbers(
        selection.actionTypes, database, "SELECT id FROM actions WHERE type = ?")
    }
    if !selection.agentIDs.isEmpty {
      agents = try Self.numbers(
        selection.agentIDs, database, "SELECT id FROM agents WHERE agent_id = ?")
    }
    if !selection.entityType.isEmpty {
      entityType = try Self.numbers(
        [selection.entityType], database, "SELECT id FROM names WHERE name = ?"
      ).first
      if entityType == nil { isImpossible = true }
    }
    if actions?.isEmpty == true || agents?.isEmpty == true { isImpossible = true }
  }

  private static func numbers(
    _ names: [String], _ database: SQLiteConnection, _ sql: String
  ) throws -> Set<Int64> {
    var found: Set<Int64> = []
    for name in names {
      for row in try database.rows(sql, .text(name)) {
        if let number = row.first?.integer { found.insert(number) }
      }
    }
    return found
  }

  /// Whether the current row of a statement that selects `LogRow.columns` is wanted.
  func matches(_ row: SQLiteStatement) -> Bool {
    if let statuses, !statuses.contains(row.integer(3)) { return false }
    if let actions, !actions.contains(row.integer(2)) { return false }
    if let agents, !agents.contains(row.integer(4)) { return false }
    if let entityType, row.integer(5) != entityType { return false }
    if let triggers, !triggers.contains(row.integer(8)) { return false }
    if !entityIDs.isEmpty, !entityIDs.contains(row.text(6)) { return false }
    if !labels.isEmpty {
      let stored = Labels.decode(row.blob(26))
      for (key, value) in labels where stored[key] != value { return false }
    }
    return text.isEmpty || contains(row.text(10)) || contains(row.text(7))
  }

  private func contains(_ candidate: String) -> Bool {
    TextSearch.contains(text, in: candidate)
  }
}

/// Finds a text in another in any case.
enum TextSearch {
  static func contains(_ wanted: String, in candidate: String) -> Bool {
    var candidate = candidate
    var wanted = wanted
    guard candidate.utf8.count >= wanted.utf8.count || !isASCII(&candidate) else { return false }
    if isASCII(&candidate), isASCII(&wanted) {
      return candidate.withUTF8 { text in
        wanted.withUTF8 { pattern in unsafe containsASCII(pattern, in: text) }
      }
    }
    return candidate.lowercased().contains(wanted.lowercased())
  }

  private static func isASCII(_ text: inout String) -> Bool {
    text.withUTF8 { bytes in unsafe bytes.allSatisfy { $0 < 0x80 } }
  }

  private static func containsASCII(
    _ pattern: UnsafeBufferPointer<UInt8>, in text: UnsafeBufferPointer<UInt8>
  ) -> Bool {
    guard pattern.count > 0 else { return true }
    guard text.count >= pattern.count else { return false }
    for start in 0...(text.count - pattern.count) {
      var length = 0
      while length < pattern.count,
        unsafe lower(text[start + length]) == lower(pattern[length])
      { length += 1 }
      if length == pattern.count { return true }
    }
    return false
  }

  private static func lower(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
  }
}

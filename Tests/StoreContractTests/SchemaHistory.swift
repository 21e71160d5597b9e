import SQLiteDatabase
import TestSupport
import Testing

@testable import SQLiteStore

/// Makes a database as an older program left it: without what later migrations brought.
enum SchemaHistory {
  /// Takes away what came after a migration, and says so in the file.
  static func revert(_ database: SQLiteConnection, to version: Int) throws {
    let scratch = try ScratchDirectory()
    let old = try SQLiteConnection(path: scratch.file("old.db"))
    for migration in Schema.migrations.prefix(version) { try old.execute(migration) }
    let (known, present) = (try names(old), try names(database))
    for (name, kind) in present where kind == "index" && known[name] == nil {
      try database.execute("DROP INDEX \(name)")
    }
    for (name, kind) in present where kind == "table" {
      guard known[name] != nil else {
        try database.execute("DROP TABLE \(name)")
        continue
      }
      let columns = Set(try Self.columns(old, name))
      for column in try Self.columns(database, name) where !columns.contains(column) {
        try database.execute("ALTER TABLE \(name) DROP COLUMN \(column)")
      }
    }
    try database.execute("PRAGMA user_version = \(version)")
  }

  private static func names(_ database: SQLiteConnection) throws -> [String: String] {
    let rows = try database.rows(
      "SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND sql IS NOT NULL")
    return Dictionary(uniqueKeysWithValues: rows.map { ($0[0].text ?? "", $0[1].text ?? "") })
  }

  private static func columns(_ database: SQLiteConnection, _ table: String) throws -> [String] {
    try database.rows("SELECT name FROM pragma_table_info('\(table)')").compactMap {
      $0.first?.text
    }
  }
}

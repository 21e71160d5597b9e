import IntegrationModel
import IntegrationStore
import SQLiteDatabase
import TestSupport
import Testing

@testable import SQLiteStore

@Suite struct MigrationTests {
  @Test("A database of each earlier version opens with what was in it", arguments: [1, 2, 3, 4])
  func earlier(version: Int) async throws {
    let scratch = try ScratchDirectory()
    let path = scratch.file("data")
    await (try SQLiteStore(directory: path)).close()
    let file = path + "/integrations.db"
    for suffix in ["", "-wal", "-shm"] { scratch.remove("data/integrations.db" + suffix) }
    do {
      let database = try SQLiteConnection(path: file)
      for migration in Schema.migrations.prefix(version) { try database.execute(migration) }
      try database.execute("PRAGMA user_version = \(version)")
      try database.execute("PRAGMA application_id = \(Schema.applicationID)")
      try database.execute(
        """
        INSERT INTO integrations VALUES(1, 'northwind', 'N', '', 'A', 'C', '', 0, '', 5);
        INSERT INTO keys(
          id, integration, secret_hash, sealed_secret, created, created_by, last_used)
          VALUES('aaaaaaaa', 1, x'07', x'', 5, 'operator:local', 9)
        """)
    }
    let store = try SQLiteStore(directory: path)
    let catalog = try await store.loadCatalog()
    #expect(catalog.schemaVersion == Schema.version)
    #expect(catalog.integrations.map(\.name) == ["northwind"])
    let use = CredentialUse(at: Instant(milliseconds: 9), from: "")
    #expect(catalog.keys.map(\.lastUse) == [use])
    #expect(catalog.tokens.isEmpty && !catalog.isDeleting)
    #expect(try await store.audit(AuditQuery()) == AuditPage())
    await store.close()
  }
}

import IntegrationStore
import SQLiteDatabase

/// The numbered migrations of the database, one transaction each.
enum Schema {
  /// Written into the file so that it is known as this program's.
  static let applicationID: Int64 = 0x494d_4752

  /// Migration n is element n - 1.
  ///
  /// A published one is never changed.
  static let migrations: [String] = [first, second, third, fourth, fifth]

  /// The number of the last migration.
  static var version: Int { migrations.count }

  /// Refuses a database that another program has made: it has another id, or tables and none.
  static func refuseForeign(_ database: SQLiteConnection, path: String) throws {
    let owner = try database.rows("PRAGMA application_id").first?.first?.integer ?? 0
    if owner == applicationID { return }
    let tables = try database.rows("SELECT count(*) FROM sqlite_schema").first?.first?.integer ?? 0
    guard owner == 0, tables == 0 else {
      throw StoreError(.damaged, "\(path) is a database of another program; name another directory")
    }
  }

  /// Brings a database up to date; refuses one that is newer.
  static func migrate(_ database: SQLiteConnection, path: String) throws {
    let found = Int(try database.rows("PRAGMA user_version").first?.first?.integer ?? 0)
    guard found <= version else {
      throw StoreError(
        .newerSchema,
        "\(path) has schema version \(found), this program knows \(version); start a newer program")
    }
    for number in found..<version {
      try database.transaction { () throws(SQLiteError) in
        try database.execute(migrations[number])
        try database.execute("PRAGMA user_version = \(number + 1)")
        try database.execute("PRAGMA application_id = \(applicationID)")
      }
    }
  }

  private static let first = """
    CREATE TABLE integrations(
      id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, display_name TEXT NOT NULL,
      category TEXT NOT NULL, author TEXT NOT NULL, support_contact TEXT NOT NULL,
      description TEXT NOT NULL, paused INTEGER NOT NULL, pause_reason TEXT NOT NULL,
      created INTEGER NOT NULL);
    CREATE TABLE keys(
      id TEXT PRIMARY KEY, integration INTEGER NOT NULL, secret_hash BLOB NOT NULL,
      sealed_secret BLOB NOT NULL, created INTEGER NOT NULL, created_by TEXT NOT NULL,
      expires INTEGER, revoked INTEGER, last_used INTEGER) WITHOUT ROWID;
    CREATE TABLE actions(
      id INTEGER PRIMARY KEY, integration INTEGER NOT NULL, type TEXT NOT NULL,
      name TEXT NOT NULL, description TEXT NOT NULL, entity_type TEXT NOT NULL,
      can_be_requested INTEGER NOT NULL, notify_on_failure INTEGER NOT NULL,
      input_schema TEXT NOT NULL, supports_cancel INTEGER NOT NULL,
      queue_timeout_ms INTEGER NOT NULL, progress_timeout_ms INTEGER NOT NULL,
      maximum_in_flight INTEGER NOT NULL, one_open_per_entity INTEGER NOT NULL,
      maximum_attempts INTEGER NOT NULL, initial_backoff_ms INTEGER NOT NULL,
      maximum_backoff_ms INTEGER NOT NULL, multiplier REAL NOT NULL,
      revision INTEGER NOT NULL, retired INTEGER NOT NULL, UNIQUE(integration, type));
    CREATE TABLE action_counts(
      action INTEGER PRIMARY KEY, logs INTEGER NOT NULL, queued INTEGER NOT NULL,
      in_progress INTEGER NOT NULL, last_log INTEGER NOT NULL);
    CREATE TABLE agents(
      id INTEGER PRIMARY KEY, integration INTEGER NOT NULL, agent_id TEXT NOT NULL,
      instance_id TEXT, version TEXT, host TEXT, platform TEXT, target_system TEXT,
      target_version TEXT, condition INTEGER, condition_message TEXT,
      heartbeat_interval_ms INTEGER, clock_skew_ms INTEGER, first_seen INTEGER,
      last_frame INTEGER, last_poll INTEGER, last_progress INTEGER, last_heartbeat INTEGER,
      drain_reason TEXT, UNIQUE(integration, agent_id));
    CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE logs(
      integration INTEGER NOT NULL, id BLOB NOT NULL, action INTEGER NOT NULL,
      status INTEGER NOT NULL, agent INTEGER, entity_type INTEGER, entity_id TEXT,
      entity_name TEXT, trigger INTEGER NOT NULL, attempt INTEGER NOT NULL, message TEXT,
      sequence INTEGER NOT NULL, created INTEGER NOT NULL, started INTEGER,
      updated INTEGER NOT NULL, finished INTEGER, due INTEGER, entity_url TEXT,
      records_done INTEGER, records_total INTEGER, record_errors INTEGER, entries INTEGER,
      late INTEGER, flags INTEGER, requested_by INTEGER, retry_of BLOB, labels BLOB, result TEXT,
      PRIMARY KEY(integration, id)) WITHOUT ROWID;
    CREATE INDEX logs_open ON logs(integration, status, id) WHERE status IN (1, 2);
    CREATE INDEX logs_failed ON logs(integration, id, status) WHERE status IN (4, 6);
    CREATE INDEX logs_due ON logs(due) WHERE due IS NOT NULL;
    CREATE INDEX logs_retries ON logs(retry_of) WHERE retry_of IS NOT NULL;
    CREATE TABLE requests(
      integration INTEGER NOT NULL, id BLOB NOT NULL, action INTEGER NOT NULL,
      hold INTEGER NOT NULL, available INTEGER NOT NULL, not_before INTEGER, agent INTEGER,
      delivery INTEGER NOT NULL, nonce INTEGER NOT NULL, lost INTEGER NOT NULL,
      lease_ms INTEGER NOT NULL, lease_expires INTEGER, accept_by INTEGER, gone INTEGER,
      queue_by INTEGER NOT NULL,
      original INTEGER NOT NULL, idempotency_key TEXT, entity_type INTEGER, entity_id TEXT,
      input TEXT, PRIMARY KEY(integration, id)) WITHOUT ROWID;
    CREATE INDEX requests_queue ON requests(action, available, id) WHERE hold = 0;
    CREATE INDEX requests_held ON requests(action) WHERE hold IN (1, 2);
    CREATE INDEX requests_holder ON requests(agent) WHERE hold IN (1, 2);
    CREATE INDEX requests_entity ON requests(action, entity_type, entity_id) WHERE hold < 3;
    CREATE UNIQUE INDEX requests_key ON requests(integration, idempotency_key)
      WHERE original = 1 AND idempotency_key IS NOT NULL;
    CREATE TABLE cancels(
      integration INTEGER NOT NULL, id BLOB NOT NULL, reason TEXT NOT NULL,
      principal TEXT NOT NULL, PRIMARY KEY(integration, id)) WITHOUT ROWID;
    CREATE TABLE timeline(
      integration INTEGER NOT NULL, id BLOB NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL,
      from_status INTEGER, to_status INTEGER NOT NULL, principal INTEGER NOT NULL,
      agent INTEGER, cause INTEGER NOT NULL, message TEXT, late INTEGER NOT NULL,
      PRIMARY KEY(integration, id, n)) WITHOUT ROWID;
    CREATE TABLE record_errors(
      integration INTEGER NOT NULL, id BLOB NOT NULL, n INTEGER NOT NULL, reference TEXT,
      message TEXT, cause TEXT, retryable INTEGER NOT NULL,
      PRIMARY KEY(integration, id, n)) WITHOUT ROWID;
    CREATE TABLE entity_tail(n INTEGER PRIMARY KEY, entries BLOB NOT NULL);
    CREATE TABLE entity_segments(
      segment INTEGER PRIMARY KEY, level INTEGER NOT NULL, chunks INTEGER NOT NULL,
      entries INTEGER NOT NULL);
    CREATE TABLE entity_chunks(id INTEGER PRIMARY KEY, entries BLOB NOT NULL);
    """

  /// Digests of logs; see `LogDigest`.
  private static let second = """
    CREATE TABLE log_digests(
      integration INTEGER NOT NULL, part INTEGER NOT NULL, last INTEGER NOT NULL,
      bits BLOB NOT NULL, PRIMARY KEY(integration, part, last)) WITHOUT ROWID;
    """

  /// What the operators' side needs.
  private static let third =
    accessTables + controlTables + scheduleTables + insightTables + putRightTables + keepingTables

  /// The latest time that the clock has shown; see `ShownClock`.
  private static let fourth = """
    CREATE TABLE clock(id INTEGER PRIMARY KEY CHECK (id = 1), shown INTEGER NOT NULL);
    """

  /// Where the clock ever was, and whether it is in doubt; see `ShownClock`.
  private static let fifth = """
    ALTER TABLE clock ADD COLUMN latest INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE clock ADD COLUMN ahead INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE clock ADD COLUMN doubt INTEGER NOT NULL DEFAULT 0;
    """
}

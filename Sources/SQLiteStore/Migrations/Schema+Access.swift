extension Schema {
  /// Tokens, audit, and where keys were used.
  ///
  /// The audit only grows: its triggers refuse every change of an entry, every removal, and a
  /// number that leaves one out.
  static let accessTables = """
    ALTER TABLE keys ADD COLUMN last_used_from TEXT;
    CREATE TABLE tokens(
      id TEXT PRIMARY KEY, name TEXT NOT NULL, role INTEGER NOT NULL, secret_hash BLOB NOT NULL,
      created INTEGER NOT NULL, created_by TEXT NOT NULL, expires INTEGER, revoked INTEGER,
      last_used INTEGER, last_used_from TEXT) WITHOUT ROWID;
    CREATE TABLE audit(
      number INTEGER PRIMARY KEY, at INTEGER NOT NULL, principal TEXT NOT NULL,
      address TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL, before TEXT, after TEXT,
      reason TEXT);
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
      BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
    CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
      BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
    CREATE TRIGGER audit_has_no_gap BEFORE INSERT ON audit
      WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM audit)
      BEGIN SELECT RAISE(ABORT, 'the audit is numbered without a gap'); END;

    """
}

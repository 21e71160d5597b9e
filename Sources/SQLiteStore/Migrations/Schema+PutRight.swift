extension Schema {
  /// Marks, what tails resume from, and when requests expire.
  static let putRightTables = """
    CREATE TABLE handled_failures(
      integration INTEGER NOT NULL, id BLOB NOT NULL, PRIMARY KEY(integration, id)) WITHOUT ROWID;
    CREATE TABLE changes(
      n INTEGER PRIMARY KEY, at INTEGER NOT NULL, count INTEGER NOT NULL, entries BLOB NOT NULL);
    CREATE TABLE journal(
      id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL, until INTEGER NOT NULL,
      complete_after INTEGER NOT NULL);
    ALTER TABLE requests ADD COLUMN expires INTEGER;
    """
}

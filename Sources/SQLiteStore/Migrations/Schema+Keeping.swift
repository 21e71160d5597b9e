extension Schema {
  /// Retention: rules, how far its walks are, and how much there is of each final status.
  static let keepingTables = """
    CREATE TABLE retention(
      status INTEGER PRIMARY KEY, maximum_age_ms INTEGER NOT NULL,
      maximum_bytes INTEGER NOT NULL);
    CREATE TABLE prune_positions(
      integration INTEGER NOT NULL, status INTEGER NOT NULL, id BLOB NOT NULL,
      PRIMARY KEY(integration, status)) WITHOUT ROWID;
    CREATE TABLE prune_sweeps(one INTEGER PRIMARY KEY CHECK(one = 1), began INTEGER NOT NULL);
    CREATE TABLE status_sizes(
      status INTEGER PRIMARY KEY, logs INTEGER NOT NULL, bytes INTEGER NOT NULL);
    INSERT INTO status_sizes
      SELECT status, count(*), sum(\(keptBytes)) FROM logs WHERE status > 2 GROUP BY status;

    """

  /// What `LogRow.keptBytes` says, in SQL over `logs`.
  static let keptBytes = """
    \(LogRow.baseBytes) + \(length("entity_id")) + \(length("entity_name"))
    + \(length("entity_url")) + \(length("message")) + \(length("labels")) + \(length("result"))
    + \(LogRow.entryBytes) * coalesce(entries, 0)
    + \(LogRow.recordErrorBytes) * coalesce(record_errors, 0)
    + CASE WHEN coalesce(flags, 0) & \(LogRow.Flag.request) = 0 THEN 0 ELSE \(LogRow.requestBytes)
      + coalesce((SELECT \(length("input")) FROM requests
        WHERE requests.integration = logs.integration AND requests.id = logs.id), 0) END
    """

  private static func length(_ column: String) -> String {
    "coalesce(length(CAST(\(column) AS BLOB)), 0)"
  }
}

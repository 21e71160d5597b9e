extension Schema {
  /// What is counted hour by hour, and by status.
  ///
  /// A database that has logs already gets its counts by one walk over them.
  static let insightTables = """
    ALTER TABLE action_counts ADD COLUMN completed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE action_counts ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE action_counts ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE action_counts ADD COLUMN timed_out INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE action_hours(
      action INTEGER NOT NULL, hour INTEGER NOT NULL, created INTEGER NOT NULL,
      completed INTEGER NOT NULL, failed INTEGER NOT NULL, cancelled INTEGER NOT NULL,
      PRIMARY KEY(action, hour)) WITHOUT ROWID;
    CREATE TEMP TABLE insight AS
      SELECT action, status, created / 3600000 AS began, finished / 3600000 AS ended,
        count(*) AS logs
      FROM logs GROUP BY 1, 2, 3, 4;
    UPDATE action_counts SET completed = t.completed, failed = t.failed,
        cancelled = t.cancelled, timed_out = t.timed_out
      FROM (SELECT action, sum(logs * (status = 3)) AS completed,
          sum(logs * (status = 4)) AS failed, sum(logs * (status = 5)) AS cancelled,
          sum(logs * (status = 6)) AS timed_out
        FROM insight GROUP BY action) AS t
      WHERE t.action = action_counts.action;
    INSERT INTO action_hours
      SELECT action, hour, sum(created), sum(completed), sum(failed), sum(cancelled) FROM (
        SELECT action, began AS hour, logs AS created, 0 AS completed, 0 AS failed,
          0 AS cancelled FROM insight
        UNION ALL
        SELECT action, ended, 0, logs * (status = 3), logs * (status IN (4, 6)),
          logs * (status = 5) FROM insight WHERE ended IS NOT NULL AND status >= 3)
      WHERE hour >= strftime('%s', 'now') / 3600 - 35 * 24 GROUP BY action, hour;
    DROP TABLE insight;

    """
}

extension Schema {
  /// Schedules.
  static let scheduleTables = """
    CREATE TABLE schedules(
      id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, integration INTEGER NOT NULL,
      action_type TEXT NOT NULL, entity_type TEXT NOT NULL, entity_id TEXT NOT NULL,
      entity_name TEXT NOT NULL, entity_url TEXT NOT NULL, input TEXT NOT NULL,
      cron TEXT NOT NULL, time_zone TEXT NOT NULL, interval_ms INTEGER NOT NULL,
      overlap INTEGER NOT NULL, catch_up INTEGER NOT NULL, catch_up_window_ms INTEGER NOT NULL,
      jitter_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, paused INTEGER NOT NULL,
      pause_reason TEXT NOT NULL, next_at INTEGER, fire_at INTEGER, last_at INTEGER,
      last_log BLOB, runs INTEGER NOT NULL, skipped INTEGER NOT NULL, last_error TEXT NOT NULL,
      failures INTEGER NOT NULL, created INTEGER NOT NULL, created_by TEXT NOT NULL,
      revision INTEGER NOT NULL);
    CREATE INDEX schedules_integration ON schedules(integration);
    CREATE TABLE schedule_logs(
      integration INTEGER NOT NULL, id BLOB NOT NULL, schedule INTEGER NOT NULL,
      state INTEGER NOT NULL, retry INTEGER NOT NULL,
      PRIMARY KEY(integration, id)) WITHOUT ROWID;
    CREATE INDEX schedule_logs_all ON schedule_logs(schedule, id);
    CREATE INDEX schedule_logs_open ON schedule_logs(schedule, state, id) WHERE state > 0;

    """
}

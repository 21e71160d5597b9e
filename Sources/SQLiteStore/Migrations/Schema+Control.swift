extension Schema {
  /// What operators set instead of what agents declare, and pauses of actions.
  ///
  /// NULL: not overridden. `delivery_windows` has a row for actions with a rate only, written with
  /// the deliveries that it counts.
  static let controlTables = """
    CREATE TABLE action_overrides(
      action INTEGER PRIMARY KEY, maximum_attempts INTEGER, initial_backoff_ms INTEGER,
      maximum_backoff_ms INTEGER, multiplier REAL, queue_timeout_ms INTEGER,
      progress_timeout_ms INTEGER, maximum_in_flight INTEGER, one_open_per_entity INTEGER,
      rate_limit INTEGER, rate_period_ms INTEGER, can_be_requested INTEGER);
    CREATE TABLE action_pauses(action INTEGER PRIMARY KEY, reason TEXT NOT NULL);
    CREATE TABLE delivery_windows(action INTEGER PRIMARY KEY, deliveries TEXT NOT NULL);

    """
}

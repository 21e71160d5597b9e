extension Schema {
  /// Schedules.
  static let scheduleTables = """
    """
}

extension Schema {
  /// What is counted hour by hour.
  static let insightTables = """
    """
}

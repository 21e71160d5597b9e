extension Schema {
  /// What operators set instead of what agents declare, and pauses of actions.
  static let controlTables = """
    """
}

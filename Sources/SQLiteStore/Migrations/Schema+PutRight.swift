extension Schema {
  /// Notes, marks, and what tails resume from.
  static let putRightTables = """
    """
}

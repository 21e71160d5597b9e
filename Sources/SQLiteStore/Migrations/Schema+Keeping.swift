extension Schema {
  /// Retention.
  static let keepingTables = """
    """
}

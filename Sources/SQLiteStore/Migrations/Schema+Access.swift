extension Schema {
  /// Tokens, audit, and where keys were used.
  static let accessTables = """
    """
}

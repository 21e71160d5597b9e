import CommandLineOptions

/// The integration of a list, as an argument or as the flag that every list has.
enum IntegrationScope {
  static let positional = Positional.optional(
    .name("INTEGRATION"), help: "of this integration only")
  static let flag = Flag.optional(
    FlagName("integration", short: "i"), .name("NAME"), help: "of this integration only")

  /// Agents and actions are few beside logs: a list has all of them, unless there are very many.
  static let limit = Flag.value(
    FlagName("limit", short: "n"), .integer(1...100_000), default: UInt32(1000),
    help: "how many at most")
  static let paging: [any DeclaredFlag] = [limit, FilterFlags.pageToken]

  /// The name, empty for all; a usage error when argument and flag name two.
  static func name(_ invocation: Invocation) throws(UsageError) -> String {
    let named = invocation.arguments[positional]
    let flagged = invocation.arguments[flag]
    if let named, let flagged, named != flagged {
      throw UsageError(
        "\(invocation.title): nothing is of both \(named) and \(flagged)",
        hint: "Name the integration once.")
    }
    return named ?? flagged ?? ""
  }
}

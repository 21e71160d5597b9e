import CommandLineOptions

/// The integration of a list, as an argument or as the flag that every list has.
enum IntegrationScope {
  static let positional = Positional.optional(
    .name("INTEGRATION"), help: "of this integration only")
  static let flag = Flag.optional(
    FlagName("integration", short: "i"), .name("NAME").completed(with: .integrations),
    help: "of this integration only")

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

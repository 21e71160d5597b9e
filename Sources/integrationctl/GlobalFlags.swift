import CommandLineOptions
import RPCWire

/// Flags that every command understands.
enum GlobalFlags {
  static let server = Flag.value(
    FlagName("server", short: "s", environment: "INTEGRATION_SERVER"), .address,
    default: defaultAddress, help: "where integrationd listens: unix:PATH or tcp:HOST:PORT")

  static let token = Flag.optional(
    FlagName("token", environment: "INTEGRATION_TOKEN"), .text.named("TOKEN"),
    help: "an operator's token; the server's own user needs none on a Unix socket")

  static let output = Flag.value(
    FlagName("output", short: "o"), ValueForm<OutputFormat>.choice("FORMAT"), default: .table,
    help: "how results are written")

  static let yes = Flag.toggle(FlagName("yes", short: "y"), help: "do not ask first")

  static let reason = Flag.value(
    "reason", .text("TEXT", maximumBytes: 4096), default: "",
    help: "why, for those who read it later")

  private static var defaultAddress: ListenAddress { .unix(path: DefaultPaths.current.socket) }
}

extension ValueForm where Value == ListenAddress {
  /// `unix:PATH` or `tcp:HOST:PORT`.
  static var address: ValueForm {
    ValueForm("ADDRESS") { text throws(ValueProblem) in
      do throws(AddressError) {
        return try ListenAddress(text)
      } catch {
        throw ValueProblem(expected: error.expected)
      }
    }
  }
}

import CommandLineOptions
import RPCWire

/// Flags that every command understands.
enum GlobalFlags {
  static let server = Flag.value(
    FlagName("server", short: "s", environment: "INTEGRATION_SERVER"), .address,
    default: defaultAddress, help: "where integrationd listens: unix:PATH or tcp:HOST:PORT")

  static let token = Flag.optional(
    FlagName("token", environment: "INTEGRATION_TOKEN"), .textOrEmpty.named("TOKEN"),
    help: "an operator's token; the server's own user needs none on a Unix socket; others on this "
      + "machine see a command line, not INTEGRATION_TOKEN and not a context")

  static let output = Flag.value(
    FlagName("output", short: "o"), ValueForm<OutputFormat>.choice("FORMAT"), default: .table,
    help: "how results are written")

  static let context = Flag.optional(
    FlagName("context", short: "c", environment: "INTEGRATION_CONTEXT"),
    .name("NAME").completed(with: .contexts),
    help: "the server and token of this context (see: integrationctl context list)")

  static let time = Flag.value(
    FlagName("time", environment: "INTEGRATIONCTL_TIME"), ValueForm<TimeStyle>.choice("STYLE"),
    default: .relative,
    help: "how people read times: how long ago, or the moment in the local zone (TZ) or in UTC")

  static let noColour = Flag.toggle(
    "no-color", help: "no colours; NO_COLOR and CLICOLOR_FORCE say it for every program")

  static let noPager = Flag.toggle(
    "no-pager",
    help: "write long output at once; else it goes through INTEGRATIONCTL_PAGER, PAGER or less")

  /// Those of the program itself, understood behind every noun and verb.
  static let all: [any DeclaredFlag] = [
    server, token, context, output, time, noColour, noPager,
  ]

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
    }.completed(with: .addresses)
  }
}

import CommandLineOptions
import RPCWire

/// The flags of integration-bench and its commands.
struct BenchOptions {
  let server = Flag.optional(
    FlagName("server", environment: "INTEGRATION_SERVER"), .address,
    help: "the server to load; without it one of its own, which ends with the benchmark")
  let token = Flag.value(
    FlagName("token", environment: "INTEGRATION_TOKEN"), .textOrEmpty, default: "",
    help: "an integration's API key on that server")
  let operatorAddress = Flag.optional(
    FlagName("operator"), .address,
    help: "where operators reach that server without a token, to check what was stored")
  let scratch = Flag.value(
    FlagName("scratch"), .path, default: "/var/tmp",
    help: "a directory on the disk to measure, for an own server's data")
  let connections = Flag.value(
    FlagName("connections", short: "c"), .integer(1...4096), default: 16,
    help: "how many connections")
  let inFlight = Flag.value(
    FlagName("in-flight", short: "n"), .integer(1...1024), default: 16,
    help: "how many calls in flight on each")
  let seconds = Flag.value(
    FlagName("seconds", short: "s"), .integer(1...3600), default: 5, help: "how long to measure")
  let warmup = Flag.value(
    FlagName("warmup"), .integer(0...600), default: 1, help: "seconds before that")
  let agents = Flag.value(
    FlagName("agents"), .integer(1...60_000), default: 2000,
    help: "how many agents wait in idle, and in dispatch at a rate")
  let rate = Flag.value(
    FlagName("rate"), .integer(0...100_000), default: 0,
    help: "requests a second in dispatch, whatever the server does; 0: one at a time")
  let client = Flag.value(
    FlagName("client"), .choice("CLIENT"), default: LoadClient.raw,
    help: "who makes the load: prebuilt frames, the Swift client, or its async stubs")
  let output = Flag.value(
    FlagName("output", short: "o"), .choice("FORM"), default: OutputForm.table,
    help: "a table for people or JSON for programs")

  /// The flags of `compare` alone.
  let compare = CompareOptions()

  /// The flags of `costs` alone.
  let costs = CostsOptions()

  /// The commands, each with its sentence; `compare` and `costs` have flags of their own.
  static let names: [(name: String, summary: String)] = [
    ("heartbeat", "phone home, beside the raw echo"),
    ("report", "durable reports, beside a bare append; checks that all of them are stored"),
    ("dispatch", "from an operator's request to the agent that holds it"),
    ("idle", "the server's memory with many agents that wait in a poll"),
    ("startup", "integrationctl from start to exit, beside its call alone"),
    ("echo", "the raw epoll echo: the limit for calls on this machine"),
    ("fsync", "a bare append of 4 KiB with fdatasync: the limit for one durable report"),
    ("all", "everything, with the shapes that the project's goals name"),
  ]

  var command: Command {
    let flags: [any DeclaredFlag] = [
      server, token, operatorAddress, scratch, connections, inFlight, seconds, warmup, agents,
      rate, client, output,
    ]
    return Command("integration-bench", "load on a real server", flags: flags)
      .withDiscussion(
        """
        Without --server it starts the integrationd that stands beside it, on a scratch directory, \
        with an integration and a key of its own, and removes all of it at the end. Exit codes: 0 \
        done, 1 a call failed or a result was wrong, 2 wrong usage, 3 the server is not reached.
        """
      )
      .withExamples([
        CommandExample("integration-bench all", "everything, on a server of its own"),
        CommandExample(
          "integration-bench heartbeat --server tcp:127.0.0.1:7300 --token KEY --output json",
          "one benchmark on a running server"),
      ])
      .withSubcommands(
        Self.names.map { Command($0.name, $0.summary) } + [compare.command, costs.command])
  }
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

import CommandLineOptions

/// The flags of `compare` alone.
struct CompareOptions {
  let rounds = Flag.value(
    FlagName("rounds", short: "r"), .integer(1...100), default: 3,
    help: "how often each contestant runs")
  let works = Flag.commaList(
    FlagName("works"), .text.named("WORK"),
    help: "which works; without it those that the project's goals name")
  let peers = Flag.value(
    FlagName("peers"), .path, default: ".build/peers",
    help: "where Scripts/peers/build has put the programs of peers")
  let svg = Flag.optional(FlagName("svg"), .path, help: "where to draw the result as a chart")
  let json = Flag.optional(FlagName("json"), .path, help: "where to write the result as JSON too")

  /// Seconds of a run unless --seconds is given: the usual works take some five minutes.
  static let usualSeconds = 1.5
  /// Likewise of warm-up.
  static let usualWarmup = 0.5

  var command: Command {
    Command(
      "compare", "ours beside each peer on the same work, several rounds in one run",
      flags: [rounds, works, peers, svg, json]
    )
    .withDiscussion(
      """
      Starts each peer that is installed on loopback with scratch data, one at a time, and ends \
      it; one that is not installed is reported as skipped. Scripts/bench installs and builds all \
      of them first. Medians of the rounds, with the slowest and the fastest. Works: \
      \((ComparedWorks.usual + OwnFigures.names).joined(separator: ", ")); on request \
      \((ComparedWorks.onRequest + OwnFigures.onRequest + Growth.names).joined(separator: ", ")). \
      growth is how costs grow: with connections, beside the peers, and with stored logs; \
      growth-10m adds ten million of them, which takes minutes.
      """
    )
    .withExamples([
      CommandExample("Scripts/bench --svg comparison.svg", "everything, and a chart"),
      CommandExample(
        "integration-bench compare --works heartbeat-16x16 --rounds 5", "one work, five rounds"),
      CommandExample("Scripts/bench --works growth", "how costs grow"),
    ])
  }
}

/// How costs grow: calls with connections, reports and memory with stored logs.
struct Growth {
  static let usual = "growth"
  static let long = "growth-10m"
  static let names = [usual, long]

  /// The compared works that it takes; empty when growth is not asked for.
  let works: Set<String>
  private let sizes: [UInt64]

  init(named: Set<String>) {
    let isLong = named.contains(Self.long)
    let isWanted = isLong || named.contains(Self.usual)
    works = isWanted ? Set(ComparedWorks.overConnections) : []
    sizes = isWanted ? [10_000, 1_000_000] + (isLong ? [10_000_000] : []) : []
  }

  /// Takes what the works brought and measures the rest; nil when growth is not asked for.
  func run(_ results: [ComparedResult], _ logs: LogGrowth) async -> GrowthResult? {
    guard !works.isEmpty else { return nil }
    let ordered = ComparedWorks.overConnections.compactMap { name in
      results.first { $0.name == name }
    }
    var rows: [LogGrowth.Row] = []
    for size in sizes { rows.append(await logs.run(size)) }
    return GrowthResult(calls: ordered, logs: rows)
  }
}

/// How costs grew.
struct GrowthResult: Encodable {
  /// From few connections to many; in JSON they stand among the works.
  let calls: [ComparedResult]
  let logs: [LogGrowth.Row]

  private enum CodingKeys: CodingKey { case logs }

  var table: String { callTable + "\n" + logTable }

  /// A row for each contestant, calls a second and p99 for each number of connections.
  private var callTable: String {
    let names = calls.first?.contestants.map(\.name) ?? []
    let rows = names.map { name in
      let cells = calls.map { $0.contestants.first { $0.name == name } }
      return [name] + cells.map { text($0?.median(.rate), grouped) }
        + cells.map { text($0?.median(.p99)) { fixed($0, 2) } }
    }
    let counts = calls.map { grouped(Double($0.connections)) }
    let head =
      ["HEARTBEAT, ONE IN FLIGHT EACH"] + counts.map { "\($0): CALLS/S" }
      + counts.map { "\($0): P99 MS" }
    return TextColumns(head: head, numbers: Set(1..<head.count)).text(rows)
  }

  private func text(_ value: Double?, _ form: (Double) -> String) -> String {
    value.map(form) ?? "skipped"
  }

  private var logTable: String {
    let rows = logs.map { row in
      [
        grouped(Double(row.stored)), grouped(row.reportsPerSecond), decimal(row.p99Ms),
        decimal(row.residentBytes / 1_048_576) + " MiB", decimal(row.bytesPerLog),
        row.fault.map { "WRONG: \($0)" } ?? "",
      ]
    }
    return TextColumns(
      head: ["STORED LOGS", "REPORTS/S AT 64 X 16", "P99 MS", "MEMORY", "BYTES A LOG", ""],
      numbers: [0, 1, 2, 3, 4]
    ).text(rows)
  }
}

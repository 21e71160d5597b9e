/// What one call of a hot path costs the server.
struct CallCosts: Encodable {
  let name: String
  let title: String
  /// How many calls the difference is over.
  let calls: UInt64
  let instructions: Double
  let allocations: Double
  /// By the library whose code asks for the memory.
  let allocationsBy: [String: Double]
  let systemCalls: Double
  /// By the function that makes them.
  let systemCallsBy: [String: Double]

  /// Below this share of the whole, who it was does not matter.
  private static let negligible = 0.01
  /// Outside of valgrind these read the kernel's page and are no system calls: vdso(7).
  private static let clocks = ["clock_gettime", "gettimeofday", "time"]

  init(_ work: CostedWork, _ difference: CallgrindProfile) {
    let calls = work.many - work.few
    func each(_ counts: [String: Int64]) -> [String: Double] {
      counts.mapValues { Double($0) / Double(calls) }
    }
    name = work.name
    title = work.title
    self.calls = calls
    instructions = Double(difference.instructions) / Double(calls)
    let allocations = each(difference.allocations)
    let systemCalls = each(difference.systemCalls).filter { !Self.clocks.contains($0.key) }
    self.allocations = Self.sum(allocations)
    self.systemCalls = Self.sum(systemCalls)
    allocationsBy = Self.leading(allocations)
    systemCallsBy = Self.leading(systemCalls)
  }

  private static func sum(_ counts: [String: Double]) -> Double { counts.values.reduce(0, +) }

  /// Who makes up most of it.
  private static func leading(_ counts: [String: Double]) -> [String: Double] {
    let least = max(0.0005, sum(counts) * negligible)
    return counts.filter { $0.value >= least }
  }

  static func table(_ costs: [CallCosts]) -> String {
    let rows = costs.map { cost in
      [
        cost.title, "\(grouped(Double(cost.calls)))", grouped(cost.instructions),
        fixed(cost.allocations, 3), parts(cost.allocationsBy), fixed(cost.systemCalls, 3),
        parts(cost.systemCallsBy),
      ]
    }
    return TextColumns(
      head: [
        "ONE CALL OF", "OVER", "INSTRUCTIONS", "ALLOCATIONS", "BY", "SYSTEM CALLS", "BY",
      ], numbers: [1, 2, 3, 5]
    ).text(rows)
  }

  /// The largest first.
  private static func parts(_ counts: [String: Double]) -> String {
    counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { "\($0.key) \(fixed($0.value, 3))" }.joined(separator: ", ")
  }
}

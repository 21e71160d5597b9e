import CommandLineOptions
import Glibc

/// Runs works round by round, each contestant in turn, in alternating order.
struct Comparison {
  let works: [ComparedWork]
  let rounds: Int
  let directory: String
  /// Told of each run as it ends, for people who wait.
  let progress: (String) -> Void

  func run() async -> [ComparedResult] {
    var results: [ComparedResult] = []
    for work in works { results.append(await run(work)) }
    return results
  }

  private func run(_ work: ComparedWork) async -> ComparedResult {
    progress("\(work.title)\n")
    var lines = work.contestants.map(ContestantResult.init)
    for round in 0..<rounds {
      // Whoever runs first in one round runs last in the next: the machine's mood hits all alike.
      let indices = Array(work.contestants.indices)
      for index in round.isMultiple(of: 2) ? indices : indices.reversed()
      where lines[index].skipped == nil {
        let contestant = work.contestants[index]
        do {
          let sample = try await run(contestant, work.shape)
          lines[index].samples.append(sample)
          let fault = sample.faults.first.map { "  WRONG: \($0)" } ?? ""
          progress("  \(contestant.name): \(fixed(sample.perSecond, 0)) \(work.unit)/s\(fault)\n")
        } catch {
          lines[index].skipped = "\(error)"
          progress("  \(contestant.name): \(error)\n")
        }
      }
    }
    return ComparedResult(work, lines)
  }

  private func run(_ contestant: any Contestant, _ shape: LoadShape) async throws -> Sample {
    let own = try Program.makeDirectory(below: directory)
    defer { Program.removeDirectory(own) }
    return try await contestant.run(shape, in: own)
  }
}

/// What one contestant of a work brought over the rounds.
struct ContestantResult: Encodable {
  let name: String
  let promise: String
  var samples: [Sample] = []
  /// Why there is no figure, or not one of each round.
  var skipped: String?

  init(_ contestant: any Contestant) {
    name = contestant.name
    promise = contestant.promise
    skipped = contestant.obstacle
  }

  /// Nil without samples: a contestant that was skipped has no figure.
  func median(_ measure: Goal.Measure) -> Double? {
    let values = samples.compactMap { sample -> Double? in
      switch measure {
      case .rate: sample.perSecond
      case .p50: sample.latencyMs.p50
      case .p99: sample.latencyMs.p99
      case .serverMicroseconds: sample.serverMicroseconds
      }
    }.sorted()
    guard !values.isEmpty else { return nil }
    let middle = values.count / 2
    return values.count.isMultiple(of: 2)
      ? (values[middle - 1] + values[middle]) / 2 : values[middle]
  }

  /// The slowest and the fastest round.
  var spread: (Double, Double)? {
    let rates = samples.map(\.perSecond)
    guard let least = rates.min(), let most = rates.max() else { return nil }
    return (least, most)
  }
}

/// A goal beside what was measured.
struct GoalResult: Encodable {
  let text: String
  /// Nil: one of the two was skipped.
  let measured: Double?
  let met: Bool?

  init(_ goal: Goal, _ contestants: [ContestantResult]) {
    func median(_ name: String) -> Double? {
      contestants.first { $0.name == name }?.median(goal.measure)
    }
    let unit = goal.measure == .p50 || goal.measure == .p99 ? " ms" : ""
    let value = goal.value < 1000 ? decimal(goal.value) : fixed(goal.value, 0)
    let target = goal.against.map { "\(value) of \($0)" } ?? (value + unit)
    text = "\(goal.of): \(goal.measure.rawValue) \(goal.bound.rawValue) \(target)"
    let base = goal.against.map(median) ?? 1
    let measured: Double? =
      if let own = median(goal.of), let base, base > 0 { own / base } else { nil }
    self.measured = measured
    met = measured.map { goal.bound == .atLeast ? $0 >= goal.value : $0 <= goal.value }
  }
}

/// A work with what all brought.
struct ComparedResult: Encodable {
  let name: String
  let title: String
  let unit: String
  let connections: Int
  let inFlight: Int
  let contestants: [ContestantResult]
  let goals: [GoalResult]

  init(_ work: ComparedWork, _ contestants: [ContestantResult]) {
    name = work.name
    title = work.title
    unit = work.unit
    connections = work.shape.connections
    inFlight = work.shape.inFlight
    self.contestants = contestants
    goals = work.goals.map { GoalResult($0, contestants) }
  }

  var isRight: Bool { contestants.allSatisfy { $0.samples.allSatisfy(\.faults.isEmpty) } }
}

/// A number with as many decimals as it takes to read it: 0.58, 12.3, 151.
func decimal(_ value: Double) -> String {
  value < 10 ? fixed(value, 2) : value < 100 ? fixed(value, 1) : fixed(value, 0)
}

import Foundation
import TestSupport
import Testing

/// The most that one call of a hot path may cost the server: some tenth above what it costs.
///
/// Counts of instructions, allocations and system calls stay within a few hundredths from run to
/// run, however busy the machine is, so a limit that is passed is a change of the code.
/// To see what calls cost now: `integration-bench costs`.
struct CostLimit: Sendable, CustomTestStringConvertible {
  let work: String
  let instructions: Double
  let allocations: Double
  let systemCalls: Double

  var testDescription: String { work }

  /// 0.005 allocations: none, but for the server's own timers.
  static let all = [
    CostLimit(work: "heartbeat-1x16", instructions: 4_250, allocations: 0.005, systemCalls: 0.21),
    CostLimit(work: "heartbeat-1x1", instructions: 6_900, allocations: 0.005, systemCalls: 3.4),
    // How many reports meet in a commit is the machine's to say: 0.63 to 0.69 in one version.
    CostLimit(work: "report-4x64", instructions: 43_000, allocations: 7.5, systemCalls: 0.75),
    // The request is entered into the audit.
    CostLimit(work: "dispatch", instructions: 790_000, allocations: 241, systemCalls: 94),
  ]
}

/// What calls cost the optimised server, which Scripts/test builds beside the tests.
@Suite("Costs of the hot paths")
struct CostTests {
  struct Cost: Decodable {
    let instructions: Double
    let allocations: Double
    let allocationsBy: [String: Double]
    let systemCalls: Double
    let systemCallsBy: [String: Double]
  }

  static let programs = SourceTree.root + "/.build/release"

  /// Why costs cannot be counted here; nil when they can.
  static let obstacle: String? = {
    for name in ["valgrind", "strip"] where Program.onPath(name) == nil {
      return "\(name) is not installed"
    }
    for name in ["integrationd", "integration-bench"]
    where access("\(programs)/\(name)", X_OK) != 0 {
      return "no release build of \(name)"
    }
    return nil
  }()

  @Test(
    "A call costs no more than it may",
    .enabled(if: CostTests.obstacle == nil, "skipped: \(CostTests.obstacle ?? "")"),
    arguments: CostLimit.all)
  func costs(limit: CostLimit) async throws {
    let scratch = try ScratchDirectory()
    let output = try await Program.run(
      Self.programs + "/integration-bench",
      ["costs", "--works", limit.work, "--output", "json", "--scratch", scratch.path],
      within: .seconds(180))
    try #require(output.end == .code(0), "\(output.standardError)\(output.standardOutput)")
    let costs = try JSONDecoder().decode([Cost].self, from: Data(output.standardOutput.utf8))
    let cost = try #require(costs.first)
    #expect(cost.instructions > 1000, "the profile has no calls in it")
    #expect(cost.instructions <= limit.instructions)
    #expect(cost.allocations <= limit.allocations, "\(cost.allocationsBy)")
    #expect(cost.systemCalls <= limit.systemCalls, "\(cost.systemCallsBy)")
  }
}

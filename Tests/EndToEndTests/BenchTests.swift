import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// integration-bench on a server of its own: short loads whose results are right.
  @Suite struct BenchTests {
    struct Result: Decodable {
      let calls: UInt64
      let failures: UInt64
      let faults: [String]
    }

    static let loads: [[String]] = [
      ["heartbeat"], ["heartbeat", "--client", "swift"], ["report"],
      ["report", "--client", "swift"], ["dispatch"],
      ["dispatch", "--rate", "100", "--agents", "20"], ["idle", "--agents", "50"], ["echo"],
      ["fsync"],
    ]

    @Test("The time of a whole process is measured beside its call")
    func startup() async throws {
      let scratch = try ScratchDirectory()
      let output = try await Program.run(
        Program.built("integration-bench"),
        ["startup", "--seconds", "1", "--output", "json", "--scratch", scratch.path],
        within: .seconds(40))
      try #require(output.end == .code(0), "\(output.standardError)\(output.standardOutput)")
      let results = try JSONDecoder().decode([Result].self, from: Data(output.standardOutput.utf8))
      #expect(results.count == 2)
      #expect(results.allSatisfy { $0.calls > 0 && $0.failures == 0 && $0.faults == [] })
    }

    @Test("Each benchmark makes calls, checks their results and cleans up", arguments: loads)
    func load(arguments: [String]) async throws {
      let scratch = try ScratchDirectory()
      let output = try await Program.run(
        Program.built("integration-bench"),
        arguments + [
          "--seconds", "1", "--warmup", "0", "--connections", "2", "--in-flight", "4", "--output",
          "json", "--scratch", scratch.path,
        ], within: .seconds(40))
      try #require(output.end == .code(0), "\(output.standardError)\(output.standardOutput)")
      let result = try JSONDecoder().decode(Result.self, from: Data(output.standardOutput.utf8))
      #expect(result.calls > 0)
      #expect(result.failures == 0)
      #expect(result.faults == [])
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == [])
    }
  }
}

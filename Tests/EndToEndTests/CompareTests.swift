import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// `integration-bench compare` where no peer is built.
  @Suite struct CompareTests {
    struct Report: Decodable {
      struct Work: Decodable {
        let name: String
        let contestants: [Contestant]
        let goals: [Goal]
      }
      struct Contestant: Decodable {
        struct Sample: Decodable {
          let perSecond: Double
          let faults: [String]
        }
        let name: String
        let samples: [Sample]
        let skipped: String?
      }
      struct Goal: Decodable {
        let text: String
        let measured: Double?
        let met: Bool?
      }
      let works: [Work]
    }

    @Test("Ours is measured; a peer that is not there is skipped with its reason, without a figure")
    func skippedPeers() async throws {
      let scratch = try ScratchDirectory()
      let chart = scratch.path + "/chart.svg"
      let output = try await Program.run(
        Program.built("integration-bench"),
        [
          "compare", "--works", "heartbeat-16x16", "--rounds", "1", "--seconds", "1", "--warmup",
          "0", "--peers", scratch.path + "/none", "--output", "json", "--scratch", scratch.path,
          "--svg", chart,
        ], within: .seconds(60))
      try #require(output.end == .code(0), "\(output.standardError)\(output.standardOutput)")
      let report = try JSONDecoder().decode(Report.self, from: Data(output.standardOutput.utf8))
      let work = try #require(report.works.first)
      #expect(work.name == "heartbeat-16x16")
      for contestant in work.contestants {
        let isPeer = contestant.name.hasPrefix("gRPC")
        #expect((contestant.skipped != nil) == isPeer, "\(contestant.name)")
        #expect(contestant.samples.count == (isPeer ? 0 : 1))
        #expect(contestant.samples.allSatisfy { $0.perSecond > 0 && $0.faults == [] })
      }
      #expect(work.goals.contains { $0.text.contains("gRPC") && $0.met == nil })
      #expect(work.goals.contains { $0.text.contains("echo") && $0.measured != nil })
      let svg = try String(contentsOfFile: chart, encoding: .utf8)
      #expect(svg.hasPrefix("<svg ") && svg.contains("skipped"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["chart.svg"])
    }

    @Test("A work that there is not is wrong usage")
    func unknownWork() async throws {
      let output = try await Program.run(
        Program.built("integration-bench"), ["compare", "--works", "juggling"],
        within: .seconds(20))
      #expect(output.end == .code(2))
      #expect(output.standardError.contains("heartbeat-16x16"))
    }
  }
}

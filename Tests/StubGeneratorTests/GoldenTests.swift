import StubGenerator
import TestSupport
import Testing

@Suite(.enabled(if: Protoc.isInstalled, "skipped: protoc is not installed"))
struct GoldenTests {
  static let folder = "Tests/StubGeneratorTests/Fixtures"

  @Test(
    "The generator writes for the test schema what stands in the golden files",
    arguments: ["golden.messages.swift", "golden.views.swift", "golden.services.swift"])
  func golden(name: String) async throws {
    let schema = try await Protoc.schema(
      folder: SourceTree.root + "/" + Self.folder, name: "golden.proto")
    let files = try StubGenerator.generate(schema)
    #expect(files.map(\.name).contains(name))
    let expected = try SourceTree.text("\(Self.folder)/Golden/\(name).golden")
    let lines = files.first { $0.name == name }?.content.split(separator: "\n") ?? []
    for (line, want) in zip(lines, expected.split(separator: "\n")) where line != want {
      Issue.record("expected \(want), came \(line); if it is meant, run Scripts/generate")
      return
    }
    #expect(lines.count == expected.split(separator: "\n").count)
  }

  @Test("What is generated and committed is what the schema gives")
  func committed() async throws {
    let output = try await Program.run(
      SourceTree.root + "/Scripts/generate",
      ["--check", "--plugin", Program.built("protoc-gen-integration-swift")],
      within: .seconds(60))
    #expect(output.end == .code(0), "\(output.standardOutput.prefix(4000))\(output.standardError)")
  }

  @Test("Two runs over one schema give the same bytes")
  func reproducible() async throws {
    let folder = SourceTree.root + "/Protos"
    let first = try await Protoc.schema(folder: folder, name: "integrationmanager/v1/agent.proto")
    let second = try await Protoc.schema(folder: folder, name: "integrationmanager/v1/agent.proto")
    #expect(try StubGenerator.generate(first) == StubGenerator.generate(second))
  }
}

import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// The short forms of the fault harnesses of Tests/Torture, on the release build of the server.
  @Suite struct TortureTests {
    static let programs = SourceTree.root + "/.build/release"
    static let harnesses = [
      "power", "kill", "storage", "model", "history", "clock", "network", "proxy", "hostile",
      "bytes", "access", "soak", "races", "leaks",
    ]
    /// The build with a sanitizer of those that have one.
    static let sanitized = ["races": "thread", "leaks": "address"]

    @Test("A fault harness finds its promises kept", arguments: harnesses)
    func shortForm(harness: String) async throws {
      guard FileManager.default.isExecutableFile(atPath: Self.programs + "/integrationd") else {
        try Test.cancel("no release build of integrationd")
      }
      if let sanitizer = Self.sanitized[harness] { try Self.require(sanitizer) }
      let output = try await torture("--short", "--programs", Self.programs, harness)
      let said = output.standardOutput + output.standardError
      #expect(output.end == .code(0), "\(said)")
      if said.contains("\n\(harness): skipped") { try Test.cancel("\(said)") }
      #expect(said.contains("\n1 passed, 0 failed"), "\(said)")
      if said.contains("\n\(harness): passed in part") {
        // What the machine lacks is no fault, and is not to go unseen.
        Issue.record("\(harness) passed in part: \(said)", severity: .warning)
      }
      print(said)
    }

    /// Cancels where it would build for minutes, or is within itself.
    private static func require(_ sanitizer: String) throws {
      let server = SourceTree.root + "/.build/\(sanitizer)/debug/integrationd"
      guard FileManager.default.isExecutableFile(atPath: server) else {
        try Test.cancel("no build with the \(sanitizer) sanitizer, which Scripts/test makes")
      }
      if ProcessInfo.processInfo.environment["INTEGRATION_TEST_SLOWDOWN"] != nil {
        try Test.cancel("these tests are run with a sanitizer themselves, and the server too")
      }
    }

    @Test("Every harness is run by the tests")
    func complete() async throws {
      let output = try await torture("--list")
      let names = output.standardOutput.split(separator: "\n").map(String.init)
      #expect(names == Self.harnesses, "\(output.standardError)")
    }

    @Test(
      "A line that can run nothing is told so, with the exit code of wrong usage",
      arguments: [
        (["--programs", "/nonexistent", "power"], "no integrationd in /nonexistent"),
        (["--programs", programs, "--seconds", "inf", "power"], "--seconds takes a number"),
        (["--programs", programs, "--seconds", "nan", "power"], "--seconds takes a number"),
        (["powr"], "did you mean power?"),
      ])
    func wrongLine(arguments: [String], said: String) async throws {
      let output = try await Program.run(
        "/usr/bin/python3", ["-B", SourceTree.root + "/Tests/Torture"] + arguments)
      // Without a release build the programs are what is missing first.
      guard said.contains("integrationd") || said.contains("mean") || isBuilt else { return }
      #expect(output.end == .code(2))
      #expect(output.standardError.contains(said), "\(output.standardError)")
    }

    private var isBuilt: Bool {
      FileManager.default.isExecutableFile(atPath: Self.programs + "/integrationd")
    }

    private func torture(_ arguments: String...) async throws -> ProgramOutput {
      // Debian's own Python, for which its packages of protobuf and hypothesis are.
      try await Program.run(
        "/usr/bin/python3", ["-B", SourceTree.root + "/Tests/Torture"] + arguments,
        within: .seconds(100))
    }
  }
}

import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// What keeps the example agent from its work, said in a sentence with the right exit code.
  @Suite struct AgentStartTests {
    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    private func run(
      _ flags: [String], database: String = "customsoft.db"
    ) async throws -> ProgramOutput {
      try await Program.run(
        Program.built("customsoft-agent"),
        [
          "--database", scratch.file(database), "--outbox", scratch.file("outbox.db"),
          "--server", "unix:" + scratch.file("nobody.sock"),
        ] + flags)
    }

    @Test("An agent that cannot reach its server says so, and --once ends with a code of its own")
    func unreachable() async throws {
      let output = try await run(["--once"])
      #expect(output.end == .code(3))
      let said = output.standardError
      #expect(said.contains("cannot reach unix:\(scratch.file("nobody.sock")): "), "\(said)")
      #expect(said.contains("reports stay in \(scratch.file("outbox.db")) until"), "\(said)")
    }

    @Test(
      "A key that no server would take is refused at the start, without being shown",
      arguments: ["imk_x", "imo_" + String(repeating: "0", count: 46), "secret"])
    func key(text: String) async throws {
      let asFlag = try await run(["--key", text])
      #expect(asFlag.end == .code(2))
      let file = try scratch.write(text + "\n", to: "wrong.key")
      let inFile = try await run(["--key-file", file])
      #expect(inFile.end == .code(1))
      #expect(inFile.standardError.contains(file))
      for output in [asFlag, inFile] {
        #expect(output.standardError.contains("no API key"), "\(output.standardError)")
        #expect(!output.standardError.contains("secret"))
      }
    }

    @Test("A database in a folder that is not there is refused with what to do")
    func database() async throws {
      let output = try await run([], database: "missing/customsoft.db")
      #expect(output.end == .code(1))
      #expect(output.standardError.contains("check that the directory exists"))
    }
  }
}

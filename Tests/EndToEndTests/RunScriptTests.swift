import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// The command that a newcomer runs first, over the programs that are built already.
  @Suite struct RunScriptTests {
    let tree: ScratchDirectory

    init() throws {
      tree = try ScratchDirectory()
      try plant()
    }

    @Test("Scripts/run starts again what was killed, and stops all of it when told to")
    func killedPrograms() async throws {
      let script = try await whileRunning { script in
        for (count, name) in [(2, "agent.pid"), (3, "server.pid")] {
          kill(try await pid(name, script), SIGKILL)
          try await connections(count, script)
        }
      }
      script.send(SIGTERM)
      #expect(try await script.waitForEnd() == .code(0))
      #expect(script.standardOutput.contains("Stopping"))
      #expect(try leftovers() == [])
    }

    @Test("Scripts/run starts both again when they are killed together")
    func killedTogether() async throws {
      let script = try await whileRunning { script in
        for count in 2...3 {
          let pids = (try await pid("server.pid", script), try await pid("agent.pid", script))
          kill(pids.0, SIGKILL)
          kill(pids.1, SIGKILL)
          try await connections(count, script)
        }
      }
      script.send(SIGTERM)
      #expect(try await script.waitForEnd() == .code(0))
    }

    @Test("Scripts/run says why it ends when its server is asked to")
    func serverAsked() async throws {
      let script = try await whileRunning { script in
        kill(try await pid("server.pid", script), SIGTERM)
        try await script.waitForOutput(containing: "server was asked to end")
      }
      #expect(try await script.waitForEnd() == .code(0))
    }

    @Test("A data directory is meant from where the caller stands")
    func relativeDirectory() async throws {
      let script = try await whileRunning(["here"]) { _ in }
      script.send(SIGTERM)
      try await script.waitForEnd()
      let data = "elsewhere/here/customsoft.key"
      #expect(FileManager.default.fileExists(atPath: tree.file(data)))
    }

    @Test(
      "What cannot be run is said before anything is built, and leaves nothing behind",
      arguments: [(["--help"], 0), (["--no-such"], 2), (["one", "two"], 2), (["/dev/null/x"], 1)])
    func notRun(line: [String], code: Int) async throws {
      let script = try start(line)
      #expect(try await script.waitForEnd() == .code(Int32(code)))
      let said = code == 0 ? script.standardOutput : script.standardError
      #expect(said.contains(code == 1 ? "/dev/null" : "Usage: Scripts/run [DATA_DIRECTORY]"))
      #expect(!FileManager.default.fileExists(atPath: tree.file("built")))
      #expect(try leftovers() == [])
    }

    /// Runs the body once the agent has a connection; an error ends the script.
    private func whileRunning(
      _ line: [String] = [], _ body: (Program) async throws -> Void
    ) async throws -> Program {
      let script = try start(line)
      do {
        try await connections(1, script)
        try await body(script)
      } catch {
        script.send(SIGTERM)
        try await script.waitForEnd()
        throw error
      }
      return script
    }

    private func start(_ line: [String]) throws -> Program {
      let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
      return try Program(
        "/bin/sh",
        ["-c", "cd \"$0\" && exec /bin/bash \"$@\"", tree.file("elsewhere")]
          + [tree.file("Scripts/run")] + line,
        environment: ["PATH": tree.file("bin") + ":" + path])
    }

    /// The id that stands in a file whose path the script has printed.
    private func pid(_ name: String, _ script: Program) async throws -> pid_t {
      let line = try await script.waitForOutput(containing: name)
      let file = try #require(line.split { " ()".contains($0) }.last.map(String.init))
      let text = try String(contentsOfFile: file, encoding: .utf8)
      return try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    /// Waits until the agent has said so often that it has a connection.
    private func connections(_ count: Int, _ script: Program) async throws {
      try await eventually("connection \(count) of the agent", within: .seconds(20)) {
        let said = script.standardError.components(separatedBy: "agent: connected").count - 1
        return said >= count ? true : nil
      }
    }

    /// The scratch directories of the script that are there still.
    private func leftovers() throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: tree.path)
        .filter { $0.hasPrefix("scratch.") }
    }

    /// A checkout whose packages are installed and whose build is done.
    private func plant() throws {
      let files = FileManager.default
      for folder in ["Scripts", "bin", ".build", "elsewhere"] {
        try files.createDirectory(
          atPath: tree.file(folder), withIntermediateDirectories: false)
      }
      try tree.write(SourceTree.text("Scripts/run"), to: "Scripts/run")
      let stubs = [
        "Scripts/packages": "", "bin/swift": "touch \(tree.file("built"))",
        "bin/mktemp": "exec /usr/bin/mktemp -d \(tree.file("scratch.XXXXXX"))",
      ]
      for (stub, text) in stubs {
        try tree.write("#!/bin/sh\n\(text)\n", to: stub)
        try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: tree.file(stub))
      }
      let programs = URL(fileURLWithPath: Program.built("integrationd")).deletingLastPathComponent()
      try files.createSymbolicLink(
        atPath: tree.file(".build/release"), withDestinationPath: programs.path)
    }
  }
}

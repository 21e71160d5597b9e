import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// The command that a newcomer runs first, over the programs that are built already.
  @Suite struct RunScriptTests {
    @Test("Scripts/run starts again what was killed, and stops all of it when told to")
    func killedPrograms() async throws {
      let tree = try ScratchDirectory()
      try plant(tree)
      let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
      let script = try Program(
        "/bin/bash", [tree.file("Scripts/run")],
        environment: ["PATH": tree.file("bin") + ":" + path])
      do {
        try await killBoth(script)
      } catch {
        script.send(SIGTERM)
        try await script.waitForEnd()
        throw error
      }
      script.send(SIGTERM)
      #expect(try await script.waitForEnd() == .code(0))
      #expect(script.standardOutput.contains("Stopping"))
    }

    private func killBoth(_ script: Program) async throws {
      try await connections(1, script)
      for (count, name) in [(2, "agent.pid"), (3, "server.pid")] {
        let line = try await script.waitForOutput(containing: name)
        let file = try #require(line.split { " ()".contains($0) }.last.map(String.init))
        let text = try String(contentsOfFile: file, encoding: .utf8)
        let pid = try #require(pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        kill(pid, SIGKILL)
        try await connections(count, script)
      }
    }

    /// Waits until the agent has said so often that it has a connection.
    private func connections(_ count: Int, _ script: Program) async throws {
      try await eventually("connection \(count) of the agent", within: .seconds(20)) {
        let said = script.standardError.components(separatedBy: "agent: connected").count - 1
        return said >= count ? true : nil
      }
    }

    /// A checkout whose packages are installed and whose build is done.
    private func plant(_ tree: ScratchDirectory) throws {
      let files = FileManager.default
      for folder in ["Scripts", "bin", ".build"] {
        try files.createDirectory(
          atPath: tree.file(folder), withIntermediateDirectories: false)
      }
      try tree.write(SourceTree.text("Scripts/run"), to: "Scripts/run")
      for stub in ["Scripts/packages", "bin/swift"] {
        try tree.write("#!/bin/sh\n", to: stub)
        try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: tree.file(stub))
      }
      let programs = URL(fileURLWithPath: Program.built("integrationd")).deletingLastPathComponent()
      try files.createSymbolicLink(
        atPath: tree.file(".build/release"), withDestinationPath: programs.path)
    }
  }
}

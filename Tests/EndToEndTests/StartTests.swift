import Foundation
import SQLiteDatabase
import TestSupport
import Testing

extension EndToEnd {
  /// What stops a server or a command from starting, said in a sentence with the right exit code.
  @Suite struct StartTests {
    @Test("A port, a socket and a data directory that are in use are named")
    func inUse() async throws {
      let stage = try await Stage()
      let other = try ScratchDirectory()
      let data = stage.scratch.file("data")
      let cases: [(flags: [String], named: String, said: String)] = [
        (["--data", other.file("a"), "--listen", stage.tcp], stage.tcp, "in use"),
        (["--data", other.file("b"), "--listen", stage.unix], stage.unix, "another server"),
        (["--data", data, "--listen", "tcp:127.0.0.1:0"], data, "in use"),
      ]
      for (flags, named, said) in cases {
        let output = try await Program.run(Program.built("integrationd"), flags)
        #expect(output.end == .code(1), "\(flags)")
        #expect(output.standardError.contains(named), "\(output.standardError)")
        #expect(output.standardError.contains(said), "\(output.standardError)")
      }
      // The server that was there first goes on.
      #expect(try await stage.ctl("status").end == .code(0))
    }

    @Test("A socket that a killed server left behind is taken over")
    func staleSocket() async throws {
      let stage = try await Stage()
      try await stage.killServer()
      try await stage.restartServer()
      #expect(try await stage.ctl("status").end == .code(0))
    }

    @Test("A database from a newer version is refused and left alone")
    func newerDatabase() async throws {
      let stage = try await Stage()
      stage.server.send(SIGTERM)
      #expect(try await stage.server.waitForEnd() == .code(0))
      let folder = stage.scratch.file("data")
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      let name = try #require(names.first { $0.hasSuffix(".db") || $0.hasSuffix(".sqlite") })
      let database = try SQLiteConnection(path: folder + "/" + name, mode: .readWrite)
      try database.execute("PRAGMA user_version = 999")
      let output = try await Program.run(
        Program.built("integrationd"), ["--data", folder, "--listen", "tcp:127.0.0.1:0"])
      #expect(output.end == .code(1))
      #expect(output.standardError.contains("999"), "\(output.standardError)")
      #expect(output.standardError.contains("newer"), "\(output.standardError)")
    }

    @Test("A directory that may not be written is named")
    func notPermitted() async throws {
      // /proc lets nobody make a directory, not even root.
      let output = try await Program.run(
        Program.built("integrationd"),
        ["--data", "/proc/integrationd", "--listen", "tcp:127.0.0.1:0"])
      #expect(output.end == .code(1))
      #expect(output.standardError.contains("/proc/integrationd"), "\(output.standardError)")
    }

    @Test("Wrong usage ends with 2, a server that is not there with 3")
    func exitCodes() async throws {
      let ctl = Program.built("integrationctl")
      let programs = [
        "integrationd", "integrationctl", "customsoft-agent", "integration-bench",
        "protoc-gen-integration-swift",
      ]
      for program in programs {
        let output = try await Program.run(Program.built(program), ["--no-such-flag"])
        #expect(output.end == .code(2), "\(program)")
        #expect(output.standardError.contains("--no-such-flag"), "\(program)")
        let help = try await Program.run(Program.built(program), ["--help"])
        #expect(help.end == .code(0), "\(program)")
        #expect(help.standardOutput.contains("Usage"), "\(program): \(help.standardOutput)")
      }
      let scratch = try ScratchDirectory()
      let absent = try await Program.run(
        ctl, ["--server", "unix:" + scratch.file("none.sock"), "status"])
      #expect(absent.end == .code(3))
      #expect(absent.standardOutput.isEmpty)
    }

    @Test("Commands that are refused say why, with the exit code of the kind")
    func refusedCommands() async throws {
      let stage = try await Stage()
      let key = try await stage.createIntegration()
      let unknown = try await stage.ctl("integrations", "show", "nobody")
      #expect(unknown.end == .code(5))
      #expect(unknown.standardError.contains("INTEGRATION_UNKNOWN"))
      let agentKey = try await stage.ctl("--token", key, "status")
      #expect(agentKey.end == .code(4))
      let twice = try await stage.ctl(
        "integrations", "create", "customsoft", "--author", "A", "--support-contact", "B")
      #expect(twice.end == .code(1))
      #expect(twice.standardError.contains("INTEGRATION_EXISTS"))
      let backup = try await stage.ctl("server", "backup", "/nonexistent/x.db")
      #expect(backup.end == .code(1))
      #expect(backup.standardError.contains("makes /nonexistent/x.db as its own user"))
    }
  }
}

import Foundation
import SQLiteDatabase
import TestSupport
import Testing

extension EndToEnd {
  /// Backup, restore, export, import, check and retention with the real programs.
  @Suite struct KeepingTests {
    private func contents(_ path: String) throws -> String {
      try String(contentsOfFile: path, encoding: .utf8)
    }

    @Test("A backup starts a server of its own, and an existing file is never touched")
    func backup() async throws {
      let stage = try await Stage()
      _ = try await stage.createIntegration()
      let path = stage.scratch.file("copy.db")
      #expect(try await stage.ctl("server", "backup", path).end == .code(0))
      let size = try contentsSize(path)
      let again = try await stage.ctl("server", "backup", path)
      #expect(again.end == .code(1))
      #expect(again.standardError.contains("BACKUP_FILE_EXISTS"))
      #expect(try contentsSize(path) == size)
      #expect(!FileManager.default.fileExists(atPath: path + ".partial"))
      let nowhere = try await stage.ctl("server", "backup", stage.scratch.file("no/copy.db"))
      #expect(nowhere.end == .code(1))
      #expect(
        nowhere.standardError.contains("no/copy.db on the server's machine: No such file"),
        "\(nowhere.standardError)")
      let restored = try await Stage(flags: ["--restore", path])
      let list = try await restored.ctl("integrations", "list")
      #expect(list.standardOutput.contains("customsoft"))
      #expect(try await restored.ctl("server", "check").end == .code(0))
      let onto = try await Program.run(
        Program.built("integrationd"),
        ["--data", stage.scratch.file("data"), "--restore", path, "--listen", "tcp:127.0.0.1:0"])
      #expect(onto.end == .code(1))
    }

    private func contentsSize(_ path: String) throws -> Int {
      try Data(contentsOf: URL(filePath: path)).count
    }

    @Test("An export moves to another server; onto an existing file it changes nothing")
    func transfer() async throws {
      let stage = try await Stage()
      _ = try await stage.createIntegration()
      let path = stage.scratch.file("all.jsonl")
      #expect(try await stage.ctl("server", "export", path).end == .code(0))
      let lines = try contents(path)
      #expect(try await stage.ctl("server", "export", path).end == .code(1))
      #expect(try contents(path) == lines, "an existing file was changed")
      let full = try await stage.ctl("server", "import", path)
      #expect(full.end == .code(1))
      #expect(full.standardError.contains("STORE_NOT_EMPTY"))
      let other = try await Stage()
      let broken = stage.scratch.file("broken.jsonl")
      try lines.replacing("\"displayName\"", with: "\"displayNam\"")
        .write(toFile: broken, atomically: true, encoding: .utf8)
      let refused = try await other.ctl("server", "import", broken)
      #expect(refused.end == .code(1))
      #expect(refused.standardError.contains("line 2: "), "\(refused.standardError)")
      #expect(try await other.ctl("server", "import", path).end == .code(0))
      let list = try await other.ctl("integrations", "list")
      #expect(list.standardOutput.contains("customsoft"))
    }

    @Test("A check of a damaged store ends with 1 and says what is wrong")
    func check() async throws {
      let stage = try await Stage()
      _ = try await stage.createIntegration()
      #expect(try await stage.ctl("server", "check").end == .code(0))
      try await stage.killServer()
      let path = stage.scratch.file("data/integrations.db")
      try SQLiteConnection(path: path, mode: .readWrite).execute(
        """
        INSERT INTO timeline VALUES(1, zeroblob(16), 1, 0, NULL, 3, 1, NULL, 1, NULL, 0)
        """)
      try await stage.restartServer()
      let found = try await stage.ctl("server", "check")
      #expect(found.end == .code(1))
      #expect(found.standardOutput.contains("timeline"))
      let status = try await stage.ctl("status")
      #expect(status.standardOutput.contains("STORE_NOT_WHOLE"), "\(status.standardOutput)")
    }

    @Test("Retention is shown and set; what makes no sense is wrong usage")
    func retention() async throws {
      let stage = try await Stage()
      let set = try await stage.ctl(
        "server", "retention", "--status", "COMPLETED,TIMED_OUT", "--age", "90d", "--size", "10GB")
      #expect(set.end == .code(0))
      #expect(set.standardOutput.contains("90d"))
      #expect(set.standardOutput.contains("10.0 GB"))
      for wrong in [["--age", "90d"], ["--status", "QUEUED", "--age", "1d"], ["--size", "many"]] {
        let output = try await Program.run(
          Program.built("integrationctl"), ["server", "retention"] + wrong,
          environment: ["INTEGRATION_SERVER": stage.unix])
        #expect(output.end == .code(2), "\(wrong)")
      }
      let dry = try await stage.ctl("server", "prune", "--dry-run")
      #expect(dry.standardOutput.contains("0 logs would go"))
    }
  }
}

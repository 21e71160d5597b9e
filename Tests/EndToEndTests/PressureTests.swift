import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// A peer that does not read and a disk that is full: bounded, said, and over when the cause is.
  @Suite struct PressureTests {
    @Test("A reader that stops reading is closed, and nobody else waits for it")
    func slowReader() async throws {
      let stage = try await Stage(flags: [
        "--high-water-bytes", "64KiB", "--hard-mark-bytes", "128KiB", "--write-stall-timeout",
        "500ms",
      ])
      let key = try await stage.createIntegration()
      let slow = try RawFrameSocket(stage.tcp)
      try slow.sayHello(token: key)
      let healthy = try RawFrameSocket(stage.tcp)
      try healthy.sayHello(token: key)
      let beat = AgentMessage.heartbeat()
      var call: UInt32 = 0
      var isClosed = false
      // Loopback sockets buffer some 10 MiB; 100 MiB of calls are far beyond them.
      while !isClosed, call < 3_000_000 {
        let chunk = (1...2000).flatMap {
          RawFrame(.call, number: AgentMethod.heartbeat, call: call + $0, beat).bytes
        }
        call += 2000
        do { try slow.send(chunk) } catch { isClosed = true }
        let reply = try healthy.call(AgentMethod.heartbeat, id: call, beat, deadlineMs: 2000)
        #expect(reply?.number == 0)
      }
      #expect(isClosed)
    }

    @Test("Peers that take every descriptor leave operators theirs, and others when they go")
    func descriptorsUsedUp() async throws {
      let stage = try await Stage(descriptors: 256)
      let key = try await stage.createIntegration()
      var strangers = try (0..<300).map { _ in try RawFrameSocket(stage.tcp) }
      for stranger in strangers { try? stranger.sayHello(token: key) }
      let first = strangers.compactMap { try? $0.nextFrame() }
      #expect(first.contains { $0.kind == RawFrame.Kind.hello.rawValue })
      let reasons = first.compactMap { RawFields($0.payload)?.text(2) }
      #expect(reasons.contains("TOO_MANY_CONNECTIONS"))
      let info = try await stage.ctl("server", "info")
      #expect(info.end == .code(0) && info.standardOutput.contains("memory_bytes"))
      strangers = []
      try await eventually("a new peer is served") {
        let fresh = try RawFrameSocket(stage.tcp)
        try fresh.sayHello(token: key)
        let frame = try? fresh.nextFrame()
        return frame?.kind == RawFrame.Kind.hello.rawValue ? true : nil
      }
    }

    static let canMount: Bool = {
      guard let unshare = Program.onPath("unshare"),
        let pid = try? Program(unshare, namespaceFlags + ["true"])
      else { return false }
      while pid.end == nil { usleep(1000) }
      return pid.end == .code(0)
    }()

    /// A mount namespace of its own, so that the tmpfs goes with the server.
    static var namespaceFlags: [String] {
      geteuid() == 0 ? ["--mount"] : ["--map-root-user", "--mount"]
    }

    @Test(
      "On a full disk reports are refused, reads go on, and room is enough to recover",
      .enabled(if: canMount, "skipped: this user may not mount a tmpfs"))
    func diskFull() async throws {
      let scratch = try ScratchDirectory()
      let data = scratch.file("data")
      let script = """
        mkdir "$1" && mount -t tmpfs -o size=24m tmpfs "$1" &&
        head -c 12m /dev/zero > "$1/ballast" && shift && exec "$@"
        """
      let server = try Program(
        try #require(Program.onPath("unshare")),
        Self.namespaceFlags + [
          "sh", "-c", script, "sh", data, Program.built("integrationd"), "--data", data + "/server",
          "--listen", "unix:" + scratch.file("s"),
        ])
      try await server.waitForError(containing: " ready")
      let stage = Commands(server: "unix:" + scratch.file("s"), scratch: scratch)
      let socket = try RawFrameSocket(stage.server)
      try socket.sayHello(token: try await stage.createIntegration())
      _ = try socket.call(AgentMethod.register, id: 1, AgentMessage.register("export_order"))

      var stored = 0
      while stored < 20_000, try report(over: socket, UInt32(stored + 2))?.number == 0 {
        stored += 1
      }
      let reply = try report(over: socket, 20_003)
      #expect(reply?.number == 8)
      #expect(RawFields(reply?.payload ?? [])?.text(3) == "STORAGE_FULL")
      #expect(
        try socket.call(AgentMethod.heartbeat, id: 20_004, AgentMessage.heartbeat())?.number == 0)
      #expect(try await stage.logs() == stored)

      try FileManager.default.removeItem(atPath: "/proc/\(server.pid)/root\(data)/ballast")
      var next: UInt32 = 20_004
      try await eventually("a report is stored again") {
        next += 1
        return try report(over: socket, next)?.number == 0 ? true : nil
      }
      #expect(try await stage.logs() == stored + 1)
      server.send(SIGTERM)
      #expect(try await server.waitForEnd() == .code(0))
    }

    private func report(over socket: RawFrameSocket, _ id: UInt32) throws -> RawFrame? {
      let payload = AgentMessage.report(
        logID: AgentMessage.makeLogID(), action: "export_order", entity: "\(id)",
        message: String(repeating: "m", count: 4000))
      return try socket.call(AgentMethod.report, id: id, payload)
    }
  }
}

/// The operator's commands on a server that a test started in its own way.
private struct Commands {
  let server: String
  let scratch: ScratchDirectory

  func createIntegration() async throws -> String {
    let file = scratch.file("key")
    _ = try await run(
      "integrations", "create", "customsoft", "--author", "A", "--support-contact", "B",
      "--key-file", file)
    return try String(contentsOfFile: file, encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  func logs() async throws -> Int {
    let output = try await run("logs", "list", "--limit", "100000", "--output", "jsonl")
    return output.standardOutput.split(separator: "\n").count
  }

  private func run(_ arguments: String...) async throws -> ProgramOutput {
    let output = try await Program.run(
      Program.built("integrationctl"), arguments, environment: ["INTEGRATION_SERVER": server])
    guard output.end == .code(0) else {
      throw UnexpectedOutput(arguments: arguments, output: output, error: nil)
    }
    return output
  }
}

import Foundation
import TestSupport
import Testing

/// A server of the test's own on a scratch directory, with the other programs at hand.
final class Stage {
  let scratch: ScratchDirectory
  /// The running server; the last one after a restart.
  private(set) var server: Program
  /// `unix:PATH`, the operator's way in.
  let unix: String
  /// `tcp:127.0.0.1:PORT` of the running server.
  private(set) var tcp: String
  private let flags: [String]

  /// Starts `integrationd` with more flags, and with at most so many open descriptors, and waits
  /// until it is ready.
  init(flags: [String] = [], descriptors: Int? = nil) async throws {
    scratch = try ScratchDirectory()
    self.flags = flags
    unix = "unix:" + scratch.file("server.sock")
    (server, tcp) = try await Self.start(scratch, flags, descriptors: descriptors)
  }

  private static func start(
    _ scratch: ScratchDirectory, _ flags: [String], descriptors: Int? = nil
  ) async throws -> (Program, tcp: String) {
    let limit = descriptors.map { "ulimit -n \($0) && " } ?? ""
    let server = try Program(
      "/bin/sh",
      [
        "-c", limit + "exec \"$@\"", "sh", Program.built("integrationd"), "--data",
        scratch.file("data"), "--listen", "unix:" + scratch.file("server.sock"), "--listen",
        "tcp:127.0.0.1:0",
      ] + flags)
    let ready = try await server.waitForError(containing: " ready")
    let words = ready.split { $0 == " " || $0 == "," }
    return (server, String(words.first { $0.hasPrefix("tcp:") } ?? ""))
  }

  /// Kills the server at once and waits until it is gone.
  func killServer() async throws {
    server.send(SIGKILL)
    try await server.waitForEnd()
  }

  /// Ends the server as a crash does, with reports on their way, when so many were acknowledged.
  func killServer(under load: ReportLoad, afterReports count: Int) async throws {
    try load.send(256)
    while load.acknowledged.count < count {
      #expect(try load.takeReply())
      try load.send(1)
    }
    server.send(SIGKILL)
    // What was on the way still counts, up to the end of the stream.
    while try load.takeReply() {}
    try await server.waitForEnd()
  }

  /// Starts a server on the same data and the same Unix socket.
  func restartServer() async throws {
    (server, tcp) = try await Self.start(scratch, flags)
  }

  /// Runs `integrationctl` against the server.
  @discardableResult
  func ctl(_ arguments: String...) async throws -> ProgramOutput {
    try await Program.run(
      Program.built("integrationctl"), arguments, environment: ["INTEGRATION_SERVER": unix])
  }

  /// Runs `integrationctl` with JSON output and reads it.
  func ctl<Value: Decodable>(_ arguments: String..., as type: Value.Type) async throws -> Value {
    let output = try await Program.run(
      Program.built("integrationctl"), arguments + ["--output", "json"],
      environment: ["INTEGRATION_SERVER": unix])
    do {
      return try JSONDecoder().decode(type, from: Data(output.standardOutput.utf8))
    } catch {
      throw UnexpectedOutput(arguments: arguments, output: output, error: error)
    }
  }

  /// Creates an integration and returns its key.
  func createIntegration(_ name: String = "customsoft") async throws -> String {
    let file = scratch.file("\(name).key")
    let output = try await ctl(
      "integrations", "create", name, "--author", "CustomSoft GmbH", "--support-contact",
      "support@customsoft.example", "--key-file", file)
    guard output.end == .code(0) else {
      throw UnexpectedOutput(arguments: ["create"], output: output, error: nil)
    }
    return try String(contentsOfFile: file, encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Starts customsoft-agent with the key of ``createIntegration(_:)``.
  func startAgent(_ flags: String...) throws -> Program {
    try Program(
      Program.built("customsoft-agent"),
      [
        "--server", unix, "--key-file", scratch.file("customsoft.key"), "--database",
        scratch.file("customsoft.db"), "--outbox", scratch.file("outbox.db"),
      ] + flags)
  }

  /// Waits until the integration declares an action, so that it can be asked for.
  func waitForAction(_ type: String) async throws {
    try await eventually("action \(type)") {
      let actions = try await ctl("actions", "list", as: [ActionJSON].self)
      return actions.contains { $0.definition.type == type } ? true : nil
    }
  }

  /// Waits until a log has a status, and returns it with its history.
  @discardableResult
  func waitForLog(
    _ id: String, status: String, within limit: Duration = .seconds(60)
  ) async throws -> LogDetailJSON {
    var last = ""
    do {
      return try await eventually("log \(id) \(status)", within: limit) {
        let detail = try await ctl("logs", "show", id, as: LogDetailJSON.self)
        last = "\(detail.log.status): \(detail.log.statusMessage)"
        return detail.log.status == status ? detail : nil
      }
    } catch {
      throw NotInTime("log \(id) \(status)", within: limit, lastSeen: "\(last); \(error)")
    }
  }
}

/// A program said something else than the test can read.
struct UnexpectedOutput: Error, CustomStringConvertible {
  let arguments: [String]
  let output: ProgramOutput
  let error: (any Error)?

  var description: String {
    "\(arguments) ended with \(output.end); out: \(output.standardOutput); "
      + "err: \(output.standardError); \(error.map { "\($0)" } ?? "")"
  }
}

// Proto3 JSON as integrationctl prints it, as far as the tests look at it.

struct LogJSON: Decodable, Sendable {
  let id: String
  let status: String
  let statusMessage: String
  let result: String
  let actionType: String
  let entity: EntityJSON?
}

struct EntityJSON: Decodable, Sendable {
  let id: String
}

struct LogDetailJSON: Decodable, Sendable {
  let log: LogJSON
  let timeline: [TimelineJSON]
  let errors: [RecordErrorJSON]
  let request: RequestJSON?
}

struct TimelineJSON: Decodable, Sendable {
  let to: String
  let cause: String
}

struct RecordErrorJSON: Decodable, Sendable {
  let referenceId: String
  let message: String
}

struct RequestJSON: Decodable, Sendable {
  let delivery: Int
}

struct CreatedJSON: Decodable, Sendable {
  let log: LogJSON
}

struct ActionJSON: Decodable, Sendable {
  struct Definition: Decodable, Sendable {
    let type: String
  }
  let definition: Definition
}

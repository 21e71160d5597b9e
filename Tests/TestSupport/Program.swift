import Foundation
import Synchronization

/// How a process ended.
public enum ProgramEnd: Equatable, Sendable {
  /// It returned this exit code.
  case code(Int32)
  /// A signal ended it.
  case signal(Int32)
}

/// What a program said and how it ended.
public struct ProgramOutput: Sendable {
  /// How it ended.
  public let end: ProgramEnd
  /// All of its standard output.
  public let standardOutput: String
  /// All of its standard error.
  public let standardError: String
}

/// A program that a test started; it is ended, by its own process id, when the last reference goes.
///
/// Output goes to files of a scratch directory, so that no pipe can fill up and block the program.
public final class Program: Sendable {
  /// The process id.
  public let pid: pid_t
  private let scratch: ScratchDirectory
  private let state = Mutex<ProgramEnd?>(nil)

  /// Starts `executable`, a path, with the environment of the test plus `environment`.
  public init(
    _ executable: String, _ arguments: [String] = [], environment: [String: String] = [:]
  ) throws {
    scratch = try ScratchDirectory()
    let merged = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
    pid = try spawn(
      executable, arguments, merged.map { "\($0)=\($1)" },
      output: scratch.file("out"), error: scratch.file("err"))
  }

  deinit {
    guard reap() == nil else { return }
    kill(pid, SIGKILL)
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
  }

  /// What the program has written to standard output so far.
  public var standardOutput: String { text("out") }
  /// What the program has written to standard error so far.
  public var standardError: String { text("err") }
  /// How the program ended; nil while it runs.
  public var end: ProgramEnd? { reap() }

  /// Sends a signal, unless the program has ended.
  public func send(_ signal: Int32) {
    if reap() == nil { kill(pid, signal) }
  }

  /// Waits for the end; after `limit` the program is killed and the wait throws.
  @discardableResult
  public func waitForEnd(within limit: Duration = .seconds(60)) async throws -> ProgramEnd {
    do {
      return try await eventually("end of process \(pid)", within: limit) { reap() }
    } catch {
      kill(pid, SIGKILL)
      throw error
    }
  }

  /// Waits until a line of standard error contains `text`, and returns that line.
  @discardableResult
  public func waitForError(
    containing text: String, within limit: Duration = .seconds(60)
  ) async throws -> String {
    try await waitForLine(containing: text, within: limit) { self.standardError }
  }

  /// Waits until a line of standard output contains `text`, and returns that line.
  @discardableResult
  public func waitForOutput(
    containing text: String, within limit: Duration = .seconds(60)
  ) async throws -> String {
    try await waitForLine(containing: text, within: limit) { self.standardOutput }
  }

  private func waitForLine(
    containing text: String, within limit: Duration, of source: () -> String
  ) async throws -> String {
    do {
      return try await eventually("a line with \"\(text)\"", within: limit) {
        source().split(separator: "\n").first { $0.contains(text) }.map(String.init)
      }
    } catch {
      let end = reap().map { "ended with \($0)" } ?? "still running"
      throw NotInTime(
        "a line with \"\(text)\"", within: limit,
        lastSeen: "\(end); out: \(standardOutput); err: \(standardError)")
    }
  }

  private func text(_ name: String) -> String {
    String(decoding: bytes(ofFile: scratch.file(name)) ?? [], as: UTF8.self)
  }

  private func reap() -> ProgramEnd? {
    state.withLock { end in
      if let end { return end }
      var status: Int32 = 0
      guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
      let signal = status & 0x7f
      end = signal == 0 ? .code((status >> 8) & 0xff) : .signal(signal)
      return end
    }
  }

  /// Runs a program to its end and returns what it said; after `limit` it is killed.
  public static func run(
    _ executable: String, _ arguments: [String] = [], environment: [String: String] = [:],
    within limit: Duration = .seconds(60)
  ) async throws -> ProgramOutput {
    let program = try Program(executable, arguments, environment: environment)
    let end = try await program.waitForEnd(within: limit)
    return ProgramOutput(
      end: end, standardOutput: program.standardOutput, standardError: program.standardError)
  }

  /// The path of a program of this package, built beside the tests that run.
  public static func built(_ name: String) -> String {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(fileURLWithPath: own).deletingLastPathComponent().path + "/" + name
  }

  /// The first program of that name on the search path; nil if there is none.
  public static func onPath(_ name: String) -> String? {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    return path.split(separator: ":").map { "\($0)/\(name)" }
      .first { access($0, X_OK) == 0 }
  }
}

private func spawn(
  _ executable: String, _ arguments: [String], _ environment: [String],
  output: String, error: String
) throws -> pid_t {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
  let write = O_WRONLY | O_CREAT | O_APPEND
  posix_spawn_file_actions_addopen(&actions, 1, output, write, 0o600)
  posix_spawn_file_actions_addopen(&actions, 2, error, write, 0o600)
  // A Dispatch thread blocks signals; a shell would never hear that it is to stop.
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var none = sigset_t()
  sigemptyset(&none)
  posix_spawnattr_setsigmask(&attributes, &none)
  posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
  var argv = ([executable] + arguments).map { strdup($0) } + [nil]
  var environ = environment.map { strdup($0) } + [nil]
  defer { (argv + environ).forEach { free($0) } }
  var pid: pid_t = 0
  let failure = posix_spawn(&pid, executable, &actions, &attributes, &argv, &environ)
  guard failure == 0 else { throw SystemCallFailed("posix_spawn \(executable)", number: failure) }
  return pid
}

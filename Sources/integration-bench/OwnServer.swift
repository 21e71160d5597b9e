import FoundationEssentials
import Glibc
import RPCWire

/// An `integrationd` of the benchmark's own, on a scratch directory that goes with it.
final class OwnServer {
  let directory: String
  let process: ChildProcess
  private(set) var unixAddress = ListenAddress.unix(path: "")
  private(set) var tcpAddress = ListenAddress.tcp(host: "127.0.0.1", port: 0)

  /// Starts the server that stands beside this program, by itself or under the program whose
  /// command line `launcher` begins, and waits until it takes calls.
  init(scratch: String, launcher: [String] = []) throws {
    let executable = try Self.executable()
    directory = try Self.makeDirectory(below: scratch)
    let socket = directory + "/server.sock"
    let command = launcher.isEmpty ? [executable] : launcher
    process = try ChildProcess(
      command[0],
      command.dropFirst() + [
        "--data", directory + "/data", "--listen", "unix:\(socket)", "--listen", "tcp:127.0.0.1:0",
      ],
      errorFile: directory + "/server.log")
    unixAddress = .unix(path: socket)
    tcpAddress = try waitUntilReady()
  }

  deinit {
    process.stop()
    try? FileManager.default.removeItem(atPath: directory)
  }

  /// The TCP address from the line in which the server says that it is ready.
  private func waitUntilReady() throws -> ListenAddress {
    for _ in 0..<2000 {
      let log = readFile(directory + "/server.log")
      for line in log.split(separator: "\n") where line.contains(" ready") {
        let words = line.split(whereSeparator: { $0 == " " || $0 == "," })
        if let word = words.first(where: { $0.hasPrefix("tcp:") }) {
          return try ListenAddress(String(word))
        }
      }
      guard process.isRunning else { throw BenchError(.unreachable, "integrationd ended: \(log)") }
      usleep(5000)
    }
    throw BenchError(.unreachable, "integrationd was not ready after 10 s; see \(directory)")
  }

  /// A fresh directory that only this user enters.
  static func makeDirectory(below parent: String) throws -> String {
    var template = Array((parent + "/integration-bench-XXXXXX").utf8CString)
    guard unsafe mkdtemp(&template) != nil else { throw BenchError.system("scratch in \(parent)") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The server's program, beside this one.
  static func executable() throws -> String {
    let executable = executableDirectory + "/integrationd"
    guard unsafe access(executable, X_OK) == 0 else {
      throw BenchError(
        .usage, "expected \(executable); build it with swift build -c release, or name --server")
    }
    return executable
  }

  static var executableDirectory: String {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return String(own[..<(own.lastIndex(of: "/") ?? own.startIndex)])
  }
}

import Glibc

/// A peer's server: its program, started on a loopback port, and ended by its own process id.
final class PeerServer {
  let port: UInt16
  let process: ChildProcess

  /// Starts a program that listens on `port`, and waits until it takes connections.
  init(
    _ executable: String, _ arguments: [String], port: UInt16, in directory: String
  ) throws {
    self.port = port
    process = try ChildProcess(
      executable, arguments, errorFile: directory + "/server.err",
      outputFile: directory + "/server.out")
    try waitUntil("takes connections on port \(port)", in: directory) { Self.takesCalls(port) }
  }

  /// Starts a program that chooses its port and writes `port N`.
  init(announcing executable: String, _ arguments: [String], in directory: String) throws {
    process = try ChildProcess(
      executable, arguments, errorFile: directory + "/server.err",
      outputFile: directory + "/server.out")
    var found: UInt16?
    for _ in 0..<1000 where found == nil && process.isRunning {
      usleep(5000)
      let words = readFile(directory + "/server.out").split(whereSeparator: \.isWhitespace)
      if words.count >= 2, words[0] == "port" { found = UInt16(words[1]) }
    }
    guard let found else {
      process.stop()
      throw BenchError(.unreachable, "\(executable): \(readFile(directory + "/server.err"))")
    }
    port = found
  }

  deinit { process.stop() }

  private func waitUntil(_ what: String, in directory: String, _ done: () -> Bool) throws {
    for _ in 0..<2000 {
      if done() { return }
      guard process.isRunning else { break }
      usleep(5000)
    }
    process.stop()
    let words = readFile(directory + "/server.err").split(separator: "\n").suffix(2)
    throw BenchError(
      .unreachable, "expected a server that \(what); \(words.joined(separator: "; "))")
  }

  private static func takesCalls(_ port: UInt16) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    return unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe connect(descriptor, $0, size) == 0
      }
    }
  }
}

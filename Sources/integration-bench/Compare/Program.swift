import FoundationEssentials
import Glibc

/// Runs programs of others: those that are peers, and those that load them.
enum Program {
  /// Where an executable stands; nil when it is not installed.
  static func path(of name: String, in directories: [String] = []) -> String? {
    let usual = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return (directories + usual).map { $0 + "/" + name }
      .first { path in unsafe access(path, X_OK) == 0 }
  }

  /// Runs a program to its end and returns what it wrote; throws with its last words when it fails.
  static func output(of executable: String, _ arguments: [String], in directory: String) throws
    -> String
  {
    let files = (directory + "/output", directory + "/errors")
    removeFile(files.0)
    removeFile(files.1)
    var status: Int32 = 0
    let child = try ChildProcess(
      executable, arguments, errorFile: files.1, outputFile: files.0)
    guard unsafe waitpid(child.pid, &status, 0) == child.pid else {
      throw BenchError.system("wait")
    }
    StartedPrograms.remove(child.pid)
    guard status == 0 else {
      let words = readFile(files.1).split(separator: "\n").suffix(2).joined(separator: "; ")
      throw BenchError(.refused, "\(executable) failed: \(words)")
    }
    return contents(of: files.0)
  }

  /// A file of any size as text.
  static func contents(of path: String) -> String {
    guard let data = FileManager.default.contents(atPath: path) else { return "" }
    return String(decoding: data, as: UTF8.self)
  }

  /// A loopback port that is free now.
  static func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw BenchError.system("socket") }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let outcome = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bytes in
        unsafe bind(descriptor, bytes, size) == 0 && getsockname(descriptor, bytes, &size) == 0
      }
    }
    guard outcome else { throw BenchError.system("a free port") }
    return UInt16(bigEndian: address.sin_port)
  }

  /// The processor time that a process has taken, user and system, in microseconds, from
  /// `/proc/PID/stat` (proc(5), fields 14 and 15, in ticks); nil when it cannot be read.
  static func processorMicroseconds(of pid: pid_t) -> Double? {
    let stat = readFile("/proc/\(pid)/stat")
    // The name, field 2, may hold anything; what follows its parenthesis does not.
    guard let end = stat.lastIndex(of: ")") else { return nil }
    let fields = stat[end...].split(separator: " ")
    guard fields.count > 13, let user = Double(fields[12]), let system = Double(fields[13]) else {
      return nil
    }
    return (user + system) * 1e6 / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  /// A fresh directory below another; others may pass through it, because PostgreSQL runs as a user
  /// of its own.
  static func makeDirectory(below parent: String) throws -> String {
    let path = try OwnServer.makeDirectory(below: parent)
    guard unsafe chmod(path, 0o711) == 0 else { throw BenchError.system("chmod \(path)") }
    return path
  }

  static func removeDirectory(_ path: String) {
    try? FileManager.default.removeItem(atPath: path)
  }
}

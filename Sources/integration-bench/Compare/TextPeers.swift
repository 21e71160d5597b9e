import CBenchLoad
import FoundationEssentials
import Glibc

/// A server with a text protocol that stores what it is given, loaded by raw pipelined puts.
struct TextPeer: Contestant {
  let kind: Kind

  /// Which one; set up so that an answer says as much as it can.
  enum Kind {
    case redis
    case nats
    case beanstalkd
  }

  var name: String {
    switch kind {
    case .redis: Name.redis
    case .nats: Name.nats
    case .beanstalkd: Name.beanstalkd
    }
  }

  var promise: String {
    switch kind {
    case .redis: "on disk (appendfsync always); read by position only"
    case .nats: "in the page cache: fsync every 2 minutes; read by position only"
    case .beanstalkd: "on disk (-f0: fsync each); taken from the queue, not found"
    }
  }

  private var program: (name: String, package: String) {
    switch kind {
    case .redis: ("redis-server", "redis-server")
    case .nats: ("nats-server", "nats-server")
    case .beanstalkd: ("beanstalkd", "beanstalkd")
    }
  }

  var obstacle: String? {
    guard Program.path(of: program.name) == nil else { return nil }
    return "\(program.name) is not installed (Debian: \(program.package))"
  }

  func run(_ shape: LoadShape, in directory: String) async throws -> Sample {
    let server = try start(in: directory)
    try prepare(server)
    let pid = server.process.pid
    let before = Program.processorMicroseconds(of: pid)
    let outcome = Native.puts(loadKind, port: server.port, shape)
    var sample = Sample(outcome, server: pid, before: before)
    sample.check(stored: try stored(server), against: outcome)
    return sample
  }

  private var loadKind: cbl_peer_kind {
    switch kind {
    case .redis: CBL_PEER_REDIS
    case .nats: CBL_PEER_NATS
    case .beanstalkd: CBL_PEER_BEANSTALKD
    }
  }

  private func start(in directory: String) throws -> PeerServer {
    let port = try Program.freePort()
    let arguments =
      switch kind {
      case .redis:
        [
          "--port", "\(port)", "--bind", "127.0.0.1", "--dir", directory, "--appendonly", "yes",
          "--appendfsync", "always", "--save", "", "--daemonize", "no",
        ]
      case .nats: ["-js", "-sd", directory, "-a", "127.0.0.1", "-p", "\(port)"]
      case .beanstalkd: ["-b", directory, "-f0", "-l", "127.0.0.1", "-p", "\(port)"]
      }
    guard let executable = Program.path(of: program.name) else {
      throw BenchError(.usage, obstacle ?? "")
    }
    return try PeerServer(executable, arguments, port: port, in: directory)
  }

  /// NATS stores what is published on a subject only once a stream takes it.
  private func prepare(_ server: PeerServer) throws {
    guard kind == .nats else { return }
    let stream = #"{"name":"REPORTS","subjects":["reports"],"storage":"file"}"#
    let reply = try askNATS(server, "$JS.API.STREAM.CREATE.REPORTS", stream)
    guard !reply.contains("\"error\"") else {
      throw BenchError(.refused, "NATS made no stream: \(reply)")
    }
  }

  private func askNATS(_ server: PeerServer, _ subject: String, _ body: String) throws -> String {
    let request =
      "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB _INBOX.ask 1\r\n"
      + "PUB \(subject) _INBOX.ask \(body.utf8.count)\r\n\(body)\r\n"
    return try Native.ask(port: server.port, request, until: "}\r\n")
  }

  /// How many the server says it has.
  private func stored(_ server: PeerServer) throws -> UInt64 {
    let (reply, mark): (String, String) =
      switch kind {
      case .redis: (try Native.ask(port: server.port, "XLEN reports\r\n", until: "\r\n"), ":")
      case .beanstalkd:
        (try Native.ask(port: server.port, "stats\r\n", until: "max-job-size"), "total-jobs: ")
      case .nats:
        (try askNATS(server, "$JS.API.STREAM.INFO.REPORTS", ""), "\"messages\":")
      }
    guard let found = reply.firstRange(of: mark),
      let count = UInt64(reply[found.upperBound...].prefix { $0.isNumber })
    else { throw BenchError(.refused, "\(name) did not say what it has: \(reply)") }
    return count
  }
}

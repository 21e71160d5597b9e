import Glibc
import RPCClient
import RPCServer
import RPCWire
import TestSupport
import Testing

@Suite struct ListeningTests {
  private func makeServer() throws -> (RPCServer, TinyService) {
    let service = TinyService()
    let server = RPCServer(
      configuration: RPCServerConfiguration(), router: service.makeRouter(),
      authenticator: service, observer: service)
    try server.start()
    return (server, service)
  }

  private func refusal(_ server: RPCServer, _ addresses: ListenAddress...) -> String {
    do {
      _ = try server.listen(on: addresses)
      return "it listens"
    } catch {
      return error.description
    }
  }

  @Test("A socket in use is refused, and its server goes on")
  func unixInUse() async throws {
    let running = try RunningServer(.unix)
    let (other, _) = try makeServer()
    defer { other.stopNow() }
    let text = refusal(other, running.address)
    #expect(text.contains("another server is running there"))
    #expect(text.contains(running.address.description))
    let connection = try await running.connect()
    #expect(
      try await connection.call(TinyService.echo, payload: [1], options: CallOptions()) == [1])
  }

  @Test("A socket that a dead server left is replaced; everybody may connect to the new one")
  func staleSocket() async throws {
    let directory = try ScratchDirectory()
    let path = directory.file("stale")
    try leaveStaleSocket(path)
    let (server, _) = try makeServer()
    defer { server.stopNow() }
    _ = try server.listen(on: [.unix(path: path)])
    var status = stat()
    #expect(lstat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o666)
    let identity = ClientIdentity(
      token: TinyService.goodToken, clientName: "tests", clientVersion: "1")
    _ = try await RPCConnection.connect(to: .unix(path: path), hello: identity)
  }

  @Test("A file that is no socket is not touched")
  func plainFile() throws {
    let directory = try ScratchDirectory()
    let path = directory.file("plain")
    close(open(path, O_CREAT | O_WRONLY, 0o600))
    let (server, _) = try makeServer()
    defer { server.stopNow() }
    #expect(refusal(server, .unix(path: path)).contains("a file that is no socket"))
    #expect(access(path, F_OK) == 0)
  }

  @Test("A path that is too long, or whose directory is missing, is named")
  func badPaths() throws {
    let (server, _) = try makeServer()
    defer { server.stopNow() }
    let long = "/tmp/" + String(repeating: "x", count: 108)
    #expect(refusal(server, .unix(path: long)).contains("at most 107"))
    #expect(refusal(server, .unix(path: "/tmp/none-such/s")).contains("does its directory exist"))
  }

  @Test("A port in use is named, and nothing of the same call listens")
  func portInUse() throws {
    let running = try RunningServer(.tcp)
    guard case .tcp(_, let port) = running.address else { return }
    let directory = try ScratchDirectory()
    let (server, _) = try makeServer()
    defer { server.stopNow() }
    let path = directory.file("s")
    let text = refusal(server, .unix(path: path), running.address)
    #expect(text.contains("port \(port) is in use"))
    #expect(access(path, F_OK) != 0)
  }

  @Test("A host that does not exist is named")
  func unknownHost() throws {
    let (server, _) = try makeServer()
    defer { server.stopNow() }
    #expect(refusal(server, .tcp(host: "no host", port: 1)).contains("no host"))
    #expect(refusal(server, .tcp(host: "192.0.2.1", port: 0)).contains("no interface"))
  }

  @Test("Stopping removes the socket's file")
  func removesFile() async throws {
    let directory = try ScratchDirectory()
    let path = directory.file("s")
    let (server, _) = try makeServer()
    _ = try server.listen(on: [.unix(path: path)])
    server.beginGracefulShutdown()
    await server.waitUntilStopped()
    #expect(access(path, F_OK) != 0)
  }

  private func leaveStaleSocket(_ path: String) throws {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(status == 0)
    close(descriptor)
  }
}

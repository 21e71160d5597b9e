import RPCClient
import RPCTransport
import RPCWire
import TestSupport

@testable import RPCServer

/// The two kinds of sockets that every test of the wire runs over.
enum SocketKind: String, CaseIterable, Sendable {
  case unix
  case tcp
}

/// A server with the tiny service on a socket of one kind; stops when it goes away.
final class RunningServer: Sendable {
  let service = TinyService()
  let server: RPCServer
  let address: ListenAddress
  private let directory: ScratchDirectory

  init(
    _ kind: SocketKind, reactors: Int = 1, limits: TransportLimits = TransportLimits()
  ) throws {
    directory = try ScratchDirectory()
    var configuration = RPCServerConfiguration()
    configuration.limits = limits
    configuration.reactors = reactors
    configuration.serverVersion = "9.8.7"
    server = RPCServer(
      configuration: configuration, router: service.makeRouter(), authenticator: service,
      observer: service)
    try server.start()
    let wanted: ListenAddress =
      switch kind {
      case .unix: .unix(path: directory.file("s"))
      case .tcp: .tcp(host: "127.0.0.1", port: 0)
      }
    address = try server.listen(on: [wanted])[0]
  }

  deinit { server.stopNow() }

  func rawSocket(token: String? = TinyService.goodToken) throws -> RawFrameSocket {
    let socket = try RawFrameSocket(address.description)
    if let token { try socket.sayHello(token: token) }
    return socket
  }

  func connect(
    token: String = TinyService.goodToken, limits: TransportLimits = TransportLimits()
  ) async throws(RPCError) -> RPCConnection {
    try await RPCConnection.connect(
      to: address,
      hello: ClientIdentity(token: token, clientName: "tests", clientVersion: "1"),
      limits: limits)
  }
}

extension RawFrame {
  /// The reason in the payload of a GOAWAY.
  var goAwayReason: String? {
    kind == Kind.goAway.rawValue ? RawFields(payload)?.text(2) : nil
  }
  /// The reason in the payload of a failed REPLY.
  var failureReason: String? { number == 0 ? nil : RawFields(payload)?.text(3) }
}

import IntegrationModel
import RPCServer
import RPCWire
import Synchronization

/// What the service knows of an operator behind a connection; hangs on the connection's principal.
final class OperatorIdentity: Sendable {
  /// What the operator may do.
  let role: OperatorRole
  /// Where the operator is: `unix`, or an IP address.
  let address: String
  /// Whether this connection is ending its own token: it is answered before it is closed.
  let endsItself = Atomic<Bool>(false)

  init(role: OperatorRole, address: String) {
    self.role = role
    self.address = address
  }
}

extension Principal {
  /// Whoever has the server's own user id, or root's, on its Unix socket: an admin.
  static var localOperator: Principal {
    Principal(
      name: "operator:\(localName)", kind: .operator, id: 0, credentialID: "",
      attachment: OperatorIdentity(role: .admin, address: "unix"))
  }

  /// The name that no token may have, because the operating system vouches for it.
  static let localName = "local"

  /// The holder of an operator's token.
  static func `operator`(
    _ name: String, role: OperatorRole, tokenID: String, address: String
  ) -> Principal {
    Principal(
      name: "operator:\(name)", kind: .operator, id: 0, credentialID: tokenID,
      attachment: OperatorIdentity(role: role, address: address))
  }

  /// Who an operator is; nil for an agent, and for an operator whom the service did not name.
  var identity: OperatorIdentity? { attachment as? OperatorIdentity }
}

extension PeerAddress {
  /// The address without a port, as keys, tokens and the audit name it: `unix`, `192.0.2.7`.
  var host: String {
    switch self {
    case .unix: "unix"
    case .tcp(let text):
      String(text[..<(text.lastIndex(of: ":") ?? text.endIndex)].filter { !"[]".contains($0) })
    case .inProcess: ""
    }
  }
}

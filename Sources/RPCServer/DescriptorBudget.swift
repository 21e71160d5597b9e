import RPCWire

/// How the descriptors of the process are shared out, so that strangers who take all that they can
/// get leave some to the operators and to the server itself.
struct DescriptorBudget: Equatable {
  /// Connections that are served.
  var connections: Int
  /// Refused connections that are kept for a moment so that their GOAWAY arrives; beyond it they
  /// are closed hard.
  var lingering: Int

  /// What the server itself opens: the store with its readers, backups and exports, listeners,
  /// event loops, files that libraries look at.
  static let own = 64
  /// What one reactor opens: its epoll set, its wake-up and its timer.
  static let ofReactor = 3
  static let maximumLingering = 256

  /// - Parameters:
  ///   - descriptors: How many the process may have open.
  ///   - reactors: How many reactors there are.
  ///   - limits: What is served at most, and what of it is reserved.
  init(descriptors: Int, reactors: Int, limits: TransportLimits) {
    lingering = max(0, min(Self.maximumLingering, descriptors / 8))
    let own = Self.own + Self.ofReactor * reactors
    let left = descriptors - own - limits.reservedConnections - lingering
    connections = max(1, min(limits.maximumConnections, left))
  }
}

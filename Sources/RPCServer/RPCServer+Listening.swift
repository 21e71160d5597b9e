import Glibc
import RPCEnvelope
import RPCTransport
import RPCWire

extension RPCServer {
  /// Begins to accept on each address; returns them with the ports that the kernel chose.
  ///
  /// All or nothing: when one fails, none listens.
  public func listen(on addresses: [ListenAddress]) throws(ServerError) -> [ListenAddress] {
    guard let reactor = state.withLock({ $0.phase == .running ? $0.reactors.first : nil }) else {
      throw ServerError("a server listens after it was started and before it is stopped")
    }
    var sockets: [ListeningSocket] = []
    for address in addresses {
      do throws(ListenError) {
        sockets.append(
          try Sockets.listen(on: address, fileMode: configuration.unixSocketMode))
      } catch {
        for socket in sockets { Self.abandon(socket) }
        throw ServerError(error.description)
      }
    }
    state.withLock { $0.listeners += sockets }
    for socket in sockets {
      reactor.post { [weak self] reactor in
        let listener = Listener(adopting: socket) { arrival, _ in self?.arrived(arrival) }
        // Fails only when the kernel has no memory for one more watched descriptor.
        do throws(SystemError) { try listener.start(on: reactor) } catch { Self.abandon(socket) }
      }
    }
    return sockets.map(\.address)
  }

  private static func abandon(_ socket: ListeningSocket) {
    if case .unix(let path) = socket.address { unsafe unlink(path) }
    close(socket.descriptor)
  }

  private func arrived(_ arrival: Listener.Arrival) {
    switch arrival {
    case .beyondDescriptors(let descriptor):
      shared.countRefused()
      refuseAtOnce(descriptor, .outOfDescriptors)
    case .accepted(let descriptor):
      let budget = budget
      let limit = budget.connections
      switch shared.admit(budget, reserved: reservedPlaces(for: descriptor)) {
      case .serve: adopt(descriptor, as: .byCredential)
      case .refuse: adopt(descriptor, as: .refused(.tooManyConnections(limit: limit)))
      case .closeAtOnce: refuseAtOnce(descriptor, .tooManyConnections(limit: limit))
      }
    }
  }

  /// How many more places there are for whoever came: for the server's own user and root.
  private func reservedPlaces(for descriptor: Int32) -> Int {
    guard case .unix(let user, _) = Sockets.peer(of: descriptor), user == 0 || user == geteuid()
    else { return 0 }
    return configuration.limits.reservedConnections
  }

  /// Says GOAWAY as far as the socket takes it without waiting, and closes.
  private func refuseAtOnce(_ descriptor: Int32, _ cause: CloseCause) {
    let payload = GoAwayPayload.make(cause, lastCallID: 0)
    var frame = [UInt8](repeating: 0, count: FrameHeader.byteCount)
    unsafe frame.withUnsafeMutableBytes { bytes in
      unsafe FrameHeader(.goAway, payloadBytes: payload.count).write(to: bytes.baseAddress!)
    }
    frame += payload
    _ = unsafe send(descriptor, frame, frame.count, Int32(MSG_NOSIGNAL))
    close(descriptor)
  }

  /// Hands a connection to the next reactor.
  func adopt(_ descriptor: Int32, as admission: ServerConnection.Admission) {
    let reactor: Reactor? = state.withLock { state in
      guard state.phase == .running || state.phase == .draining else { return nil }
      state.nextReactor = (state.nextReactor + 1) % state.reactors.count
      return state.reactors[state.nextReactor]
    }
    guard let reactor else {
      close(descriptor)
      return
    }
    let shared = shared
    reactor.post { reactor in
      guard let loop = reactor.attachment as? ServerLoop else {
        close(descriptor)
        return
      }
      let connection = ServerConnection(adopting: descriptor, loop: loop, admission: admission)
      do throws(SystemError) {
        try connection.start(on: reactor)
      } catch {
        close(descriptor)
        if case .refused = admission {
          shared.connectionClosed(wasServed: false)
        } else {
          shared.connectionClosed(wasServed: true)
        }
      }
    }
  }

  /// Lets the process have as many descriptors as the system allows it, and shares them out.
  static func raiseDescriptorLimit(
    for limits: TransportLimits, reactors: Int
  ) -> DescriptorBudget {
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard unsafe getrlimit(resource, &limit) == 0 else {
      return DescriptorBudget(descriptors: .max, reactors: reactors, limits: limits)
    }
    let before = limit.rlim_cur
    limit.rlim_cur = limit.rlim_max
    let isRaised = unsafe setrlimit(resource, &limit) == 0
    return DescriptorBudget(
      descriptors: Int(clamping: isRaised ? limit.rlim_cur : before), reactors: reactors,
      limits: limits)
  }
}

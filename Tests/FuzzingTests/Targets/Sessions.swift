import Foundation
import IntegrationAPI
import RPCClient
import RPCEnvelope
import RPCInProcess
import RPCWire
import Synchronization

@testable import IntegrationService
@testable import RPCServer

extension FuzzTarget {
  /// Calls of one connection, answered by the whole service over the real store.
  ///
  /// Input: who calls; then for each call its method, two bytes of length and its payload.
  static let calls = FuzzTarget("calls", maximumBytes: 4_096) { bytes in
    var input = FuzzInput(bytes)
    let stage = try Stage.current()
    let isAgent = input.byte() & 1 != 0
    var connection = try stage.connect(
      as: .known(isAgent ? try stage.agent() : .localOperator))
    var sent = clientGreeting
    var open: Set<UInt32> = []
    while !input.isEmpty, open.count < 16 {
      let method = stage.methods[Int(input.byte()) % stage.methods.count]
      let payload = input.bytes(Int(input.number(UInt16.self)))
      let id = UInt32(open.count + 1)
      // What waits, waits for 20 ms.
      sent += FrameHeader(.call, number: method.id, call: id, time: 20).frame(payload)
      if method.isServerStreaming { sent += FrameHeader(.credit, call: id, time: 50).frame([]) }
      open.insert(id)
    }
    try connection.send(sent)
    while !open.isEmpty {
      guard let (header, payload) = try connection.nextFrame(withinMs: 10_000) else {
        // A call may end its own connection, such as one that deletes the caller's integration.
        try require(connection.isClosed, "no reply within 10 s to calls \(open.sorted())")
        return
      }
      guard header.kind == FrameKind.reply.rawValue else { continue }
      try require(open.remove(header.call) != nil, "a reply to a call that is not open")
      guard header.number != 0 else { continue }
      let status = try Status(serializedBytes: payload)
      try require(
        header.number != StatusCode.internalError.rawValue, "the server broke: \(status.message)")
      try require(!status.reason.isEmpty, "a refusal without a reason: \(status.message)")
    }
  }

  /// What a peer sends, as it is, in pieces.
  ///
  /// Input: who calls and whether a good HELLO goes before, the size of pieces; then the bytes.
  static let session = FuzzTarget("session", maximumBytes: 4_096) { bytes in
    var input = FuzzInput(bytes)
    let stage = try Stage.current()
    let (how, pieces) = (input.byte(), Int(input.byte()))
    do {
      let admission: ServerConnection.Admission =
        switch how & 3 {
        case 0: .byCredential
        case 1: .known(.localOperator)
        default: .known(try stage.agent())
        }
      var connection = try stage.connect(as: admission)
      if how & 4 != 0 { try connection.send(clientGreeting) }
      while !input.isEmpty { try connection.send(input.bytes(pieces == 0 ? 4_096 : pieces)) }
      while let (header, payload) = try connection.nextFrame(withinMs: 1) {
        if header.kind == FrameKind.reply.rawValue, header.number != 0 {
          _ = try Status(serializedBytes: payload)
          let isFault = header.number == StatusCode.internalError.rawValue
          try require(!isFault, "the server broke")
        }
        if header.kind == FrameKind.goAway.rawValue { _ = try GoAway(serializedBytes: payload) }
      }
    }
    // The server has seen the end of it, and nothing stays.
    let limit = ContinuousClock.now + .seconds(10)
    while stage.server.statistics.connections > stage.keptConnections {
      try require(ContinuousClock.now < limit, "a connection stays when its peer is gone")
      usleep(100)
    }
  }

  /// What a server sends to a client that has begun a call and a stream.
  ///
  /// Input: whether a good HELLO goes before; then the bytes.
  static let client = FuzzTarget("client", maximumBytes: 2_048) { bytes in
    var input = FuzzInput(bytes)
    let withHello = input.byte() & 1 != 0
    let (end, channel) = InProcessChannel.makePair()
    let ended = DispatchSemaphore(value: 0)
    Task.detached {
      let options = CallOptions(deadline: .milliseconds(50))
      _ = try? await AgentServiceClient(channel: channel).heartbeat(
        HeartbeatRequest(), options: options)
      ended.signal()
    }
    Task.detached {
      let stream = OperatorServiceClient(channel: channel).tailLogs(
        TailLogsRequest(), options: CallOptions(deadline: .milliseconds(50)))
      do { for try await _ in stream {} } catch {}
      ended.signal()
    }
    do {
      var server = RawConnection(adopting: end, preambleBytes: FrameParser.preamble.count)
      // The calls have their numbers once they have come.
      while let (header, _) = try server.nextFrame(withinMs: 100) {
        if header.kind == FrameKind.call.rawValue, header.call == 2 { break }
      }
      if withHello {
        try server.send(FrameHeader(.hello).frame([8, 1, 24, 0x80, 0x80, 0x40, 32, 0x80, 8]))
      }
      try server.send(input.rest)
      if bytes.count & 3 == 0 { _ = try server.nextFrame(withinMs: 1) }
    }
    for _ in 0..<2 {
      try require(ended.wait(timeout: .now() + 20) == .success, "a call of a client never ends")
    }
    channel.close()
  }
}

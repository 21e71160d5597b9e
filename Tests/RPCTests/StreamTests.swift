import RPCClient
import RPCServer
import RPCWire
import TestSupport
import Testing

@Suite struct StreamTests {
  @Test("A stream delivers all its messages in order and ends", arguments: SocketKind.allCases)
  func wholeStream(_ kind: SocketKind) async throws {
    let running = try RunningServer(kind)
    let connection = try await running.connect()
    let raw = connection.stream(TinyService.count, payload: [250], options: CallOptions())
    var seen: [UInt8] = []
    for try await item in RPCStream(raw, decode: { bytes throws(RPCError) in bytes[0] }) {
      seen.append(item)
    }
    #expect(seen == Array(0..<250))
  }

  @Test("No more messages come than the client granted")
  func credit() throws {
    let running = try RunningServer(.unix)
    let socket = try running.rawSocket()
    try socket.send(
      RawFrame(.call, number: 3, call: 1, [5]), RawFrame(.credit, call: 1, time: 2),
      RawFrame(.ping))
    #expect(try socket.nextFrame()?.kind == RawFrame.Kind.hello.rawValue)
    #expect(try socket.nextFrame() == RawFrame(.message, call: 1, [0]))
    #expect(try socket.nextFrame() == RawFrame(.message, call: 1, [1]))
    #expect(try socket.nextFrame() == RawFrame(.pong))
    try socket.send(
      RawFrame(.credit, call: 1, time: .max), RawFrame(.credit, call: 1, time: .max))
    for number: UInt8 in 2..<5 {
      #expect(try socket.nextFrame() == RawFrame(.message, call: 1, [number]))
    }
    #expect(try socket.nextFrame() == RawFrame(.reply, call: 1))
  }

  @Test("Streams that are sent from several threads keep their order and do not fill the output")
  func resumed() throws {
    let running = try RunningServer(.unix)
    let socket = try running.rawSocket()
    #expect(try socket.nextFrame()?.kind == RawFrame.Kind.hello.rawValue)
    // 12 MB each: more than may wait for one peer.
    let (streams, messages) = (UInt32(3), UInt8(60))
    for call in 1...streams {
      try socket.send(
        RawFrame(.call, number: 9, call: call, [messages]),
        RawFrame(.credit, call: call, time: 1_000))
    }
    var seen = [UInt8](repeating: 0, count: Int(streams) + 1)
    var ended = 0
    while ended < Int(streams), let frame = try socket.nextFrame() {
      if frame.kind == RawFrame.Kind.message.rawValue {
        #expect(frame.payload.count == 200_000 && frame.payload[0] == seen[Int(frame.call)])
        seen[Int(frame.call)] += 1
      } else {
        try #require(frame.kind == RawFrame.Kind.reply.rawValue, "\(frame.goAwayReason ?? "")")
        #expect(frame.number == 0 && seen[Int(frame.call)] == messages)
        ended += 1
      }
    }
    #expect(ended == Int(streams))
  }

  @Test("Cancelling a stream ends it at the server")
  func cancelling() async throws {
    let running = try RunningServer(.unix)
    let connection = try await running.connect()
    // More than the window, so that the server waits for credit.
    let raw = connection.stream(TinyService.count, payload: [255], options: CallOptions())
    #expect(try await raw.next() == [0])
    raw.cancel()
    try await eventually("the server hears of it") {
      running.service.endedCalls == [1] ? true : nil
    }
    await #expect(throws: RPCError.self) {
      while try await raw.next() != nil {}
    }
  }

  @Test("Letting go of a stream ends it at the server")
  func lettingGo() async throws {
    let running = try RunningServer(.unix)
    let connection = try await running.connect()
    do {
      let raw = connection.stream(TinyService.count, payload: [255], options: CallOptions())
      #expect(try await raw.next() == [0])
    }
    try await eventually("the server hears of it") {
      running.service.endedCalls == [1] ? true : nil
    }
  }

  @Test("A stream that is opened later behaves as one that is open")
  func openedLater() async throws {
    let running = try RunningServer(.unix)
    let connection = try await running.connect()
    let raw = RawStream { () async throws(RPCError) in
      connection.stream(TinyService.count, payload: [2], options: CallOptions())
    }
    #expect(try await raw.next() == [0])
    #expect(try await raw.next() == [1])
    #expect(try await raw.next() == nil)
    let never = RawStream { () async throws(RPCError) in
      throw RPCError(.unavailable, "opened", reason: "OPENED")
    }
    never.cancel()
    let error = await #expect(throws: RPCError.self) { try await never.next() }
    #expect(error?.reason == WireReason.callCancelled)
  }
}

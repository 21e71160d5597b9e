import RPCWire

extension FuzzTarget {
  /// The frame codec, whole and in pieces, and both sides' state of a connection.
  ///
  /// Input: the size of pieces, the limit of a frame in 16 bytes, the calls that may be open; then
  /// what a peer sends.
  static let frames = FuzzTarget("frames", maximumBytes: 2_048) { bytes in
    var input = FuzzInput(bytes)
    let pieces = input.byte()
    let limit = FrameHeader.countedBytes + 16 * Int(input.byte())
    let maximumCalls = 1 + Int(input.byte() % 8)
    let whole = try FrameWalk(input.rest, limit: limit)
    try require(
      try FrameWalk(input.rest, limit: limit, inPieces: pieces) == whole,
      "frames in pieces are others than those of the whole")
    try serverState(whole.headers, input.rest, maximumCalls: maximumCalls)
    try clientState(whole.headers, seed: pieces)
  }

  private static func serverState(
    _ headers: [FrameHeader], _ bytes: UnsafeRawBufferPointer, maximumCalls: Int
  ) throws {
    var state = ServerConnectionState(maximumCallsInFlight: maximumCalls)
    var calls = CallTable<UInt16>()
    let step = FrameParser.matchPreamble(bytes)
    let agrees = zip(bytes, FrameParser.preamble).allSatisfy { $0 == $1 }
    try require((step == .different) == !agrees, "the preamble is compared wrongly")
    _ = state.preambleReceived(.matched)
    for header in headers {
      let before = state
      let effect = state.frameReceived(header)
      switch effect {
      case .readHello: state.helloAccepted()
      case .startCall:
        try require(header.call > before.lastCallID, "a call's id does not increase")
        try require(calls.count < maximumCalls, "more calls are open than may be")
        calls.insert(header.call, header.number)
        state.callKept()
      case .cancelCall(let id):
        if calls.remove(id) != nil, case .close = state.callEnded() {
          try require(state.phase == .ended, "a closed connection has not ended")
        }
      case .close: try require(state.phase == .ended, "a closed connection has not ended")
      case .ignore, .refuseCall, .addCredit, .sendPong, .sendGoAway: break
      }
      if before.phase == .ended {
        let isQuiet = effect == .ignore || effect == .close(.flagsReserved(header.flags))
        try require(isQuiet, "something happens on a connection that has ended")
      }
      try require(state.callsInFlight == calls.count, "calls are counted wrongly")
      if header.number == 0xfff { _ = state.drainBegan() }
    }
  }

  private static func clientState(_ headers: [FrameHeader], seed: UInt8) throws {
    var state = ClientConnectionState()
    var last: UInt32 = 0
    for (index, header) in headers.enumerated() {
      if (index ^ Int(seed)) % 3 == 0, let id = state.nextCallID() {
        try require(id == last + 1, "a call's id does not increase by one")
        last = id
      }
      switch state.frameReceived(header) {
      case .readHello: state.helloAccepted()
      case .readGoAway: _ = state.goAwayReceived(lastCallID: header.call)
      case .close:
        try require(state.phase == .ended, "a closed connection has not ended")
        try require(state.nextCallID() == nil, "a call begins on a connection that has ended")
      case .ignore, .completeCall, .deliverMessage, .sendPong, .failCallsAbove: break
      }
    }
  }
}

/// The frames of some bytes, and how their walk ended.
private struct FrameWalk: Equatable {
  var headers: [FrameHeader] = []
  var payloads: [UInt64] = []
  var end = FrameStep.incomplete
  var used = 0

  init(_ bytes: UnsafeRawBufferPointer, limit: Int) throws {
    try take(bytes, limit: limit)
  }

  init(_ bytes: UnsafeRawBufferPointer, limit: Int, inPieces seed: UInt8) throws {
    var (start, state, total) = (0, seed, 0)
    while end == .incomplete, start < bytes.count {
      state = state &* 167 &+ 13
      start = min(bytes.count, start + 1 + Int(state % 41))
      used = 0
      try withExactCopy(bytes[total..<start]) { try take($0, limit: limit) }
      total += used
    }
    used = total
  }

  private mutating func take(_ bytes: UnsafeRawBufferPointer, limit: Int) throws {
    while true {
      end = FrameParser.next(in: bytes, at: used, maximumFrameBytes: limit)
      guard case .frame(let header) = end else { return }
      let start = used + FrameHeader.byteCount
      try require(
        header.payloadBytes >= 0 && header.payloadBytes <= limit
          && start + header.payloadBytes <= bytes.count, "a frame reaches behind its bytes")
      var written = [UInt8](repeating: 0, count: FrameHeader.byteCount)
      written.withUnsafeMutableBytes { header.write(to: $0.baseAddress!) }
      try require(written.elementsEqual(bytes[used..<start]), "a header is written otherwise")
      used = start + header.payloadBytes
      headers.append(header)
      payloads.append(bytes[start..<used].reduce(7) { $0 &* 31 &+ UInt64($1) })
    }
  }
}

extension FuzzTarget {
  /// The table of open calls beside a dictionary.
  ///
  /// Input: steps of three bytes, what to do and with which call.
  static let callTable = FuzzTarget("call-table", maximumBytes: 4_096) { bytes in
    var input = FuzzInput(bytes)
    var (table, model) = (CallTable<Int>(), [UInt32: Int]())
    var step = 0
    while !input.isEmpty {
      step += 1
      let what = input.byte()
      // Neighbours, and ids that share a place in a table of any size.
      let number = UInt32(input.number(UInt16.self))
      let id = what & 0x80 == 0 ? number : number << 16 | number & 3
      switch what & 3 {
      case 0, 1:
        guard id != 0, model[id] == nil else { continue }
        table.insert(id, step)
        model[id] = step
      case 2: try require(table.remove(id) == model.removeValue(forKey: id), "another is removed")
      default:
        table.update(id) { $0 += 1 }
        if let value = model[id] { model[id] = value + 1 }
      }
      try require(table[id] == model[id], "call \(id) is another")
      try require(table.count == model.count, "calls are counted wrongly")
    }
    var found: [UInt32: Int] = [:]
    table.forEach { found[$0] = $1 }
    try require(found == model, "not all calls are found")
  }
}

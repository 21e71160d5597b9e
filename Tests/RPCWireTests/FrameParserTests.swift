import RPCWire
import Testing

/// A session of the client's side, byte by byte from PROTOCOL section 2.
private let session: [UInt8] =
  [0, 0, 0, 14, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 1]  // HELLO
  + [0, 0, 0, 15, 2, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0x75, 0x30, 1, 2, 3]  // CALL 1, method 4
  + [0, 0, 0, 12, 9, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 64]  // CREDIT 64
  + [0, 0, 0, 12, 200, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]

private let headers: [FrameHeader] = {
  var unknown = FrameHeader(.ping, number: .max, call: .max, time: .max)
  unknown.kind = 200
  return [
    FrameHeader(.hello, payloadBytes: 2),
    FrameHeader(.call, number: 4, call: 1, time: 30_000, payloadBytes: 3),
    FrameHeader(.credit, call: 1, time: 64),
    unknown,
  ]
}()

/// The frames of `bytes`, and the step that ended the walk.
private func walk(_ bytes: [UInt8], maximumFrameBytes: Int = 100) -> ([FrameHeader], FrameStep, Int)
{
  bytes.withUnsafeBytes { buffer in
    var found: [FrameHeader] = []
    var offset = 0
    while true {
      let step = FrameParser.next(in: buffer, at: offset, maximumFrameBytes: maximumFrameBytes)
      guard case .frame(let header) = step else { return (found, step, offset) }
      found.append(header)
      offset += FrameHeader.byteCount + header.payloadBytes
    }
  }
}

@Suite struct FrameParserTests {
  @Test("A session is cut into its frames")
  func whole() {
    let (found, step, offset) = walk(session)
    #expect(found == headers)
    #expect(step == .incomplete)
    #expect(offset == session.count)
  }

  @Test("A session split at any byte gives the same frames", arguments: 0..<session.count)
  func split(_ cut: Int) {
    let (first, step, offset) = walk(Array(session[..<cut]))
    #expect(step == .incomplete)
    let (second, _, _) = walk(Array(session[offset...]))
    #expect(first + second == headers)
  }

  @Test("What is written is what is read", arguments: headers)
  func roundTrip(_ header: FrameHeader) {
    var bytes = [UInt8](repeating: 0xaa, count: 16 + header.payloadBytes)
    bytes.withUnsafeMutableBytes { header.write(to: $0.baseAddress!) }
    let (found, _, _) = walk(bytes)
    #expect(found == [header])
  }

  @Test(
    "A length is judged as soon as its four bytes are there",
    arguments: [
      ([0, 0, 0, 11], FrameStep.tooShort(11)), ([0, 0, 0, 0], .tooShort(0)),
      ([0, 0, 0, 12], .incomplete), ([0, 0, 0, 100], .incomplete), ([0, 0, 0, 101], .tooLong(101)),
      ([0x7f, 0xff, 0xff, 0xff], .tooLong(.max >> 1)), ([0xff, 0xff, 0xff, 0xff], .tooLong(.max)),
      ([0, 0, 0], .incomplete), ([], .incomplete),
    ] as [([UInt8], FrameStep)])
  func lengths(_ bytes: [UInt8], _ expected: FrameStep) {
    #expect(walk(bytes).1 == expected)
  }

  @Test(
    "The preamble is compared as far as it has come",
    arguments: [
      ("", FrameParser.PreambleStep.incomplete), ("I", .incomplete), ("IMRPC/1", .incomplete),
      ("IMRPC/1\n", .matched), ("IMRPC/1\nrest", .matched), ("IMRPC/2\n", .different),
      ("GET / HTTP/1.1", .different), ("i", .different), ("\u{16}\u{3}", .different),
    ])
  func preamble(_ text: String, _ expected: FrameParser.PreambleStep) {
    #expect(FrameParser.matchPreamble(text.utf8) == expected)
  }
}

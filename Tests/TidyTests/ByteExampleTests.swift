import TestSupport
import Testing

/// The bytes in PROTOCOL.md are what a codec of one's own makes of the same values.
@Suite struct ByteExampleTests {
  let document: String

  init() throws { document = try SourceTree.text("Protos/PROTOCOL.md") }

  /// The bytes of the block marked `hex NAME`: the columns of hexadecimal pairs, without remarks.
  private func bytes(_ name: String) -> [UInt8] {
    let block = document.components(after: "```hex \(name)\n")
    let lines = block.prefix(upTo: block.firstRange(of: "```")?.lowerBound ?? block.startIndex)
    return lines.split(separator: "\n").flatMap { line in
      line.prefix(48).split(separator: " ").compactMap { UInt8($0, radix: 16) }
    }
  }

  @Test("The preamble and HELLO")
  func hello() {
    let token = "imk_demokey10123456789ABCDEFGHIJKLMNOPQRSTUVchksum"
    let payload = RawMessage().number(1, 1).number(2, 1).text(3, token).text(4, "py-agent")
    #expect(bytes("preamble") == RawFrame.preamble)
    #expect(bytes("client-hello") == RawFrame(.hello, payload.bytes).bytes)
  }

  @Test("The Heartbeat's CALL")
  func call() {
    let payload = RawMessage().text(1, "erp-1").text(2, "i-1").number(3, 10_000)
    #expect(bytes("call") == RawFrame(.call, number: 4, call: 1, time: 30_000, payload.bytes).bytes)
  }

  @Test("The server's HELLO and the REPLY")
  func answers() {
    let hello = RawMessage().number(1, 1).text(2, "0.1.0").number(3, 4_194_304).number(4, 1024)
      .number(5, 20_000).text(6, "integration:customsoft")
    let time = RawMessage().number(1, 1_750_000_000)
    let reply = RawMessage().message(1, time).number(2, 10_000)
    #expect(bytes("server-hello") == RawFrame(.hello, hello.bytes).bytes)
    #expect(bytes("reply") == RawFrame(.reply, call: 1, reply.bytes).bytes)
  }
}

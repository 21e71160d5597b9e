import Foundation
import TestSupport

/// Reports in flight on one raw socket, with a ledger of what was sent and what was acknowledged.
final class ReportLoad {
  private(set) var sent: Set<String> = []
  private(set) var acknowledged: Set<String> = []
  private let socket: RawFrameSocket
  private var calls: [UInt32: String] = [:]
  private var nextCall: UInt32 = 0

  init(address: String, key: String) throws {
    socket = try RawFrameSocket(address)
    try socket.sayHello(token: key)
    nextCall += 1
    _ = try socket.call(AgentMethod.register, id: nextCall, AgentMessage.register("export_order"))
  }

  /// Sends reports on new logs without waiting for replies.
  func send(_ count: Int) throws {
    for _ in 0..<count {
      nextCall += 1
      let id = AgentMessage.makeLogID()
      calls[nextCall] = id
      sent.insert(id)
      let payload = AgentMessage.report(logID: id, action: "export_order", entity: "\(nextCall)")
      try socket.send(RawFrame(.call, number: AgentMethod.report, call: nextCall, payload))
    }
  }

  /// Takes one reply into the ledger; false when the server is gone.
  func takeReply() throws -> Bool {
    guard let reply = try socket.nextFrame(.reply) else { return false }
    if reply.number == 0, let id = calls[reply.call] { acknowledged.insert(id) }
    return true
  }

  /// Sends a report of the ledger again: whether the server had it.
  func repeatReport(_ id: String) throws -> Bool {
    nextCall += 1
    let payload = AgentMessage.report(logID: id, action: "export_order", entity: "again")
    guard let reply = try socket.call(AgentMethod.report, id: nextCall, payload),
      reply.number == 0, let fields = RawFields(reply.payload)
    else { throw NotRepeated(id: id) }
    return fields.number(4) == 1
  }
}

/// A repeated report was refused or not answered.
struct NotRepeated: Error {
  let id: String
}

/// The ids of the agent's methods, from PROTOCOL.md.
enum AgentMethod {
  static let register: UInt16 = 1
  static let report: UInt16 = 2
  static let poll: UInt16 = 3
  static let heartbeat: UInt16 = 4
}

/// Payloads of the agent's calls, made field by field.
enum AgentMessage {
  static let agentID = "raw-1"

  static func register(_ type: String) -> [UInt8] {
    let action = RawMessage().text(1, type).text(2, type).text(4, "order").number(5, 1)
    return RawMessage().text(1, agentID).message(2, action).bytes
  }

  static func heartbeat() -> [UInt8] {
    RawMessage().text(1, agentID).text(2, "i-1").number(3, 10_000).bytes
  }

  static func report(
    logID: String, sequence: UInt64 = 1, action: String, entity: String, status: UInt64 = 3,
    lease: String = "", message: String = "done"
  ) -> [UInt8] {
    let record = RawMessage().text(1, "order").text(2, entity)
    var report = RawMessage().text(1, logID).number(2, sequence).text(3, action)
      .message(4, record).number(5, status).text(6, message)
    if !lease.isEmpty { report = report.text(8, lease) }
    return RawMessage().text(1, agentID).message(2, report).bytes
  }

  /// A UUIDv7: the time in milliseconds, then random bits.
  static func makeLogID() -> String {
    let ms = UInt64(Date().timeIntervalSince1970 * 1000)
    let hex = { (value: UInt64, digits: Int) in
      let text = String(value, radix: 16)
      return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
    let a = UInt64.random(in: 0...0xfff)
    let b = UInt64.random(in: 0x8000...0xbfff)
    let c = UInt64.random(in: 0...0xffff_ffff_ffff)
    return "\(hex(ms >> 16, 8))-\(hex(ms & 0xffff, 4))-7\(hex(a, 3))-\(hex(b, 4))-\(hex(c, 12))"
  }
}

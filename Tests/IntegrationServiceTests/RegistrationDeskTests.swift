import Dispatch
import IntegrationAPI
import IntegrationStore
import RPCServer
import RPCWire
import Synchronization
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Registrations with long schemas")
struct RegistrationDeskTests {
  /// A desk whose queue stands still until it is told to go on.
  private final class Stage: Sendable {
    let desk: RegistrationDesk
    private let queue = DispatchQueue(label: "test.registrations")
    private let done = Mutex<[String]>([])

    init(maximumBytes: Int = 100) {
      desk = RegistrationDesk(maximumBytes: maximumBytes, queue: queue)
      queue.suspend()
    }

    func register(_ call: UInt32, of integration: Int64, bytes: Int = 1) -> Bool {
      desk.run(
        Self.token(call), of: integration, bytes: bytes, { self.note("\(call)") },
        drop: { self.note("-\(call)") })
    }

    static func token(_ call: UInt32) -> CallToken {
      CallToken(connectionBits: 7, callBits: UInt64(call))
    }

    private func note(_ text: String) { done.withLock { $0.append(text) } }

    /// Lets the queue work until nothing is left, and returns what it did.
    func finish() -> [String] {
      queue.resume()
      // Each turn puts the next one behind what waits here.
      for _ in 0..<50 { queue.sync {} }
      return done.withLock { $0 }
    }
  }

  @Test("Integrations take turns, and each keeps its own order")
  func turns() {
    let stage = Stage()
    for call in 1...4 { #expect(stage.register(UInt32(call), of: 1)) }
    #expect(stage.register(5, of: 2) && stage.register(6, of: 3) && stage.register(7, of: 2))
    #expect(stage.desk.waitingCount == 7)
    #expect(stage.finish() == ["1", "5", "6", "2", "7", "3", "4"])
    #expect(stage.desk.waitingCount == 0)
  }

  @Test("What waits has a bound, and one integration has half of it")
  func bounds() {
    let stage = Stage()
    #expect(stage.register(1, of: 1, bytes: 40) && !stage.register(2, of: 1, bytes: 11))
    #expect(stage.register(3, of: 1, bytes: 10) && stage.register(4, of: 2, bytes: 45))
    #expect(!stage.register(5, of: 3, bytes: 6) && stage.register(6, of: 3, bytes: 5))
    #expect(stage.finish() == ["1", "4", "6", "3"])
  }

  @Test("A call that ends before its turn is dropped, and gives back its bytes and its turn")
  func dropped() {
    let stage = Stage()
    #expect(stage.register(1, of: 1, bytes: 50) && stage.register(2, of: 2, bytes: 50))
    stage.desk.end(Stage.token(1))
    stage.desk.end(Stage.token(1))
    stage.desk.end(Stage.token(9))
    #expect(stage.register(3, of: 1, bytes: 50) && !stage.register(4, of: 3))
    #expect(stage.finish() == ["2", "-1", "3"])
  }

  private static func action(_ schema: String, _ type: String = "import") -> ActionDefinition {
    var action = ActionDefinition()
    action.type = type
    action.canBeRequested = true
    action.inputSchema = schema
    return action
  }

  private static let long = "{\"title\":\"\(String(repeating: "t", count: 9_000))\"}"

  @Test("A long schema is checked as a short one is, and one that is known is taken again")
  func longSchema() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent(declaring: [Self.action(Self.long)])
    try await agent.register([Self.action(Self.long)])
    let stored = try #require(harness.service.catalogue.actions(of: 1).first)
    #expect(stored.declaration.inputSchema == Self.long && stored.revision == 1)
    let wrong = "{\"type\":1,\"title\":\"\(String(repeating: "t", count: 9_000))\"}"
    let refused = try await failure { try await agent.register([Self.action(wrong)]) }
    #expect(refused.violations.map(\.field) == ["actions[0].input_schema"])
  }

  @Test("More long schemas than may wait are refused; short ones are not")
  func full() async throws {
    var limits = ServiceLimits()
    limits.maximumWaitingSchemaBytes = 1_000
    let harness = try await Harness(limits: limits)
    let agent = try await harness.agent(declaring: [.bulkImport])
    let refused = try await failure { try await agent.register([Self.action(Self.long)]) }
    #expect(refused.reason == WireReason.tooManyCalls)
    #expect(refused.message.contains("--maximum-waiting-schema-bytes"))
  }

  @Test(
    "Declarations are compared by their bytes", arguments: ["", "a", "12345678", "a long schema's"])
  func declarations(text: String) {
    let one = ActionDeclaration(type: "a", name: "\(text)\u{e9}", inputSchema: text)
    var other = one
    #expect(one == other)
    other.name = "\(text)e\u{301}"
    #expect(one.name == other.name && one != other)
    other = one
    other.inputSchema += "b"
    #expect(one != other)
  }

  @Test("A schema that stands in the catalogue is not read again")
  func known() {
    let broken = Self.action("{")
    var checks = FieldChecks()
    checks.declarations([broken]) { $0 == "import" ? "{" : nil }
    #expect(checks.isEmpty)
    checks.declarations([broken]) { _ in "{ " }
    #expect(checks.violations.map(\.field) == ["actions[0].input_schema"])
  }
}

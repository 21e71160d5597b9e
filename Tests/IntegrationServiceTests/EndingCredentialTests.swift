import IntegrationAPI
import IntegrationModel
import IntegrationStore
import Testing

@testable import IntegrationService

@Suite("Keys and tokens that end soon")
struct EndingCredentialTests {
  static let now = Instant(milliseconds: 100 * day)
  static let day: Int64 = 86_400_000

  static func key(_ id: String, endsInDays end: Int64?, usedDaysAgo used: Int64?) -> StoredKey {
    StoredKey(
      id: id, integration: 1, secretHash: [], sealedSecret: [], createdAt: .epoch, createdBy: "",
      expiresAt: end.map { now.adding(milliseconds: $0 * day) },
      lastUse: used.map { CredentialUse(at: now.adding(milliseconds: -$0 * day), from: "unix") })
  }

  static func troubles(_ keys: [StoredKey]) -> [Trouble] {
    Troubles.ending(keys, of: HealthTests.integration(), now: now).map(\.1)
  }

  @Test(
    "A key is named when it ends within 7 days and was used within 30",
    arguments: [
      (7, 30, true), (8, 1, false), (1, 31, false), (1, nil, false), (nil, 1, false),
      (-1, 1, false),
    ] as [(Int64?, Int64?, Bool)])
  func window(end: Int64?, used: Int64?, isNamed: Bool) {
    let found = Self.troubles([Self.key("aaaaaaaa", endsInDays: end, usedDaysAgo: used)])
    #expect(found.map(\.kind) == (isNamed ? ["KEY_EXPIRING"] : []))
    if isNamed {
      #expect(found.first?.nextStep == "integrationctl keys rotate customsoft")
      #expect(found.first?.supportContact == "help@customsoft.example")
    }
  }

  @Test("Once the agents use the new key, the end of the old one is no trouble")
  func replaced() {
    let old = Self.key("aaaaaaaa", endsInDays: 1, usedDaysAgo: 3)
    let unused = Self.troubles([old, Self.key("bbbbbbbb", endsInDays: nil, usedDaysAgo: nil)])
    #expect(unused.first?.message.contains("do not use bbbbbbbb yet") == true)
    #expect(unused.first?.nextStep == "integrationctl keys list customsoft")
    #expect(Self.troubles([old, Self.key("bbbbbbbb", endsInDays: nil, usedDaysAgo: 1)]).isEmpty)
  }

  @Test("Admins hear of tokens; others do not")
  func tokens() async throws {
    let stage = try await AccessStage()
    let secret = try await stage.harness.storeToken("soon", .viewer, endsAfterMs: Self.day)
    _ = try await stage.connect(token: secret)
    let local = try await stage.harness.operators.getStatus(GetStatusRequest()).troubles
    #expect(
      local.filter { $0.kind == "KEY_EXPIRING" }.map(\.nextStep)
        == ["integrationctl tokens create soon --role viewer"])
    let viewer = OperatorServiceClient(channel: try await stage.connect(.viewer))
    let seen = try await viewer.getStatus(GetStatusRequest()).troubles
    #expect(!seen.contains { $0.kind == "KEY_EXPIRING" })
  }
}

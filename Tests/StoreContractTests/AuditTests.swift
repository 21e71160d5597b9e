import IntegrationModel
import IntegrationStore
import SQLiteDatabase
import SQLiteStore
import Testing

@Suite struct AuditTests {
  static let context = AuditContext(
    principal: "operator:alice", from: "192.0.2.7", action: "Test")

  private func all(_ store: any IntegrationStore) async throws -> [StoredAuditEntry] {
    var query = AuditQuery()
    query.isOldestFirst = true
    query.limit = 1_000
    return try await store.audit(query).entries
  }

  private func key(_ id: String, _ harness: StoreHarness) -> StoredKey {
    StoredKey(
      id: id, integration: harness.integration, secretHash: [UInt8](repeating: 0xAB, count: 32),
      sealedSecret: [1, 2, 3], createdAt: harness.now, createdBy: "operator:alice")
  }

  private func token(_ id: String, _ harness: StoreHarness, name: String = "bob") -> StoredToken {
    StoredToken(
      id: id, name: name, role: .operator, secretHash: [UInt8](repeating: 0xCD, count: 32),
      createdAt: harness.now, createdBy: "operator:alice",
      expiresAt: harness.now.adding(milliseconds: 60_001))
  }

  @Test("Each kind of change is entered with before and after", arguments: StoreKind.all)
  func changes(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    let integration = harness.integration
    var change = IntegrationChange(integration: integration)
    change.category = "ERP, \"big\""
    let commands: [StoreCommand] = [
      .updateIntegration(change), .pauseIntegration(integration, reason: "move"),
      .resumeIntegration(integration), .createKey(key("aaaaaaaa", harness)),
      .rotateKey(
        key("bbbbbbbb", harness), expireOldAt: harness.now.adding(milliseconds: 1_500)),
      .revokeKey(id: "aaaaaaaa"), .createToken(token("tttttttt", harness)),
      .revokeToken(id: "tttttttt"),
      .recordAudit(
        AuditRecord(target: "server/backup", after: ["file": "a\\b\u{2}\n"], reason: "r")),
    ]
    for command in commands {
      try await harness.perform(.audited(Self.context, command))
    }
    let entries = try await all(harness.store)
    let northwind = "\"displayName\":\"Northwind\",\"category\""
    let contact = "\"author\":\"Ada\",\"supportContact\":\"help@northwind.example\""
    let key = "{\"integration\":\"northwind\",\"createdBy\":\"operator:alice\""
    let token =
      "{\"name\":\"bob\",\"role\":\"operator\",\"createdBy\":\"operator:alice\","
      + "\"expiresAt\":\"2026-09-21T14:14:20.001Z\""
    let now = "2026-09-21T14:13:20.000Z"
    let plain = "{\(northwind):\"ERP, \\\"big\\\"\",\(contact),\"paused\":false}"
    let paused =
      "{\(northwind):\"ERP, \\\"big\\\"\",\(contact),\"paused\":true,"
      + "\"pauseReason\":\"move\"}"
    let expected: [(target: String, before: String, after: String)] = [
      ("integration/northwind", "{\(northwind):\"ERP\",\(contact),\"paused\":false}", plain),
      ("integration/northwind", plain, paused), ("integration/northwind", paused, plain),
      ("key/aaaaaaaa", "", key + "}"),
      ("key/aaaaaaaa", key + "}", key + ",\"expiresAt\":\"2026-09-21T14:13:21.500Z\"}"),
      ("key/bbbbbbbb", "", key + "}"),
      (
        "key/aaaaaaaa", key + ",\"expiresAt\":\"2026-09-21T14:13:21.500Z\"}",
        key + ",\"expiresAt\":\"2026-09-21T14:13:21.500Z\",\"revokedAt\":\"\(now)\"}"
      ),
      ("token/tttttttt", "", token + "}"),
      ("token/tttttttt", token + "}", token + ",\"revokedAt\":\"\(now)\"}"),
      ("server/backup", "", "{\"file\":\"a\\\\b\\u0002\\n\"}"),
    ]
    #expect(entries.map(\.target) == expected.map(\.target))
    #expect(entries.map(\.before) == expected.map(\.before))
    #expect(entries.map(\.after) == expected.map(\.after))
    #expect(entries.map(\.number) == Array(1...Int64(expected.count)))
    #expect(entries.allSatisfy { $0.context == Self.context && $0.at == harness.now })
    #expect(entries.map(\.reason).filter { !$0.isEmpty } == ["move", "r"])
  }

  @Test("A refused change leaves no entry and no number is left out", arguments: StoreKind.all)
  func refused(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    await harness.expectFailure(.notFound, "KEY_UNKNOWN") {
      try await harness.perform(.audited(Self.context, .revokeKey(id: "nothing0")))
    }
    try await harness.perform(.audited(Self.context, .createKey(key("aaaaaaaa", harness))))
    await harness.expectFailure(.alreadyExists, "KEY_EXISTS") {
      try await harness.perform(.audited(Self.context, .createKey(key("aaaaaaaa", harness))))
    }
    try await harness.perform(.audited(Self.context, .revokeKey(id: "aaaaaaaa")))
    try await harness.perform(.audited(Self.context, .revokeKey(id: "aaaaaaaa")))
    let entries = try await all(harness.store)
    #expect(entries.map(\.number) == [1, 2])
    #expect(entries.map(\.target) == ["key/aaaaaaaa", "key/aaaaaaaa"])
  }

  @Test("Pages walk in both orders, also where filters match little", arguments: StoreKind.all)
  func pages(kind: StoreKind) async throws {
    var limits = StoreLimits()
    limits.maximumVisitedRows = 10
    let harness = try await StoreHarness(kind, limits: limits)
    for number in 1...64 {
      let target = number % 16 == 0 ? "rare/\(number)" : "common/\(number)"
      try await harness.perform(
        .audited(Self.context, .recordAudit(AuditRecord(target: target, after: [:]))))
      harness.advance(milliseconds: 1_000)
    }
    for isOldestFirst in [false, true] {
      var query = AuditQuery()
      query.target = "rare"
      query.isOldestFirst = isOldestFirst
      var found: [Int64] = []
      var pages = 0
      repeat {
        let page = try await harness.store.audit(query)
        found += page.entries.map(\.number)
        query.after = page.next
        pages += 1
      } while query.after != nil
      #expect(found == (isOldestFirst ? [16, 32, 48, 64] : [64, 48, 32, 16]))
      #expect(pages > 4)
    }
    var query = AuditQuery()
    query.limit = 3
    query.since = Instant(milliseconds: 1_790_000_000_000)
    query.until = Instant(milliseconds: 1_790_000_002_000)
    query.isOldestFirst = true
    #expect(try await harness.store.audit(query).entries.map(\.number) == [1, 2])
  }

  @Test("Triggers refuse to change, remove or leave out an entry")
  func triggers() async throws {
    let harness = try await StoreHarness(.sqlite)
    try await harness.perform(.audited(Self.context, .createKey(key("aaaaaaaa", harness))))
    await harness.store.close()
    let path = harness.scratch.file("data") + "/integrations.db"
    let database = try SQLiteConnection(path: path)
    let values = "1, 'p', '', 'A', 't', NULL, NULL, NULL"
    for statement in [
      "UPDATE audit SET principal = 'operator:nobody'", "DELETE FROM audit",
      "DELETE FROM audit WHERE number = 1", "INSERT INTO audit VALUES(7, \(values))",
      "INSERT INTO audit VALUES(1, \(values))", "INSERT OR REPLACE INTO audit VALUES(1, \(values))",
    ] {
      #expect(throws: SQLiteError.self, "\(statement)") { try database.execute(statement) }
    }
    #expect(try database.rows("SELECT principal FROM audit").first?.first?.text == "operator:alice")
    try database.execute("INSERT INTO audit VALUES(2, \(values))")
  }

  @Test("Tokens come back with the catalog; a name has two live ones", arguments: StoreKind.all)
  func tokens(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    try await harness.perform(.createToken(token("tttttttt", harness)))
    try await harness.perform(.createToken(token("uuuuuuuu", harness)))
    await harness.expectFailure(.failedPrecondition, "TOO_MANY_TOKENS") {
      try await harness.perform(.createToken(token("vvvvvvvv", harness)))
    }
    await harness.expectFailure(.alreadyExists, "TOKEN_EXISTS") {
      try await harness.perform(.createToken(token("tttttttt", harness, name: "eve")))
    }
    await harness.expectFailure(.notFound, "TOKEN_UNKNOWN") {
      try await harness.perform(.revokeToken(id: "nothing0"))
    }
    let use = CredentialUse(at: harness.now, from: "unix")
    let earlier = CredentialUse(at: harness.now.adding(milliseconds: -1), from: "old")
    try await harness.perform(.saveTokenUses(["tttttttt": use, "nobody00": use]))
    try await harness.perform(.saveTokenUses(["tttttttt": earlier]))
    try await harness.perform(.revokeToken(id: "uuuuuuuu"))
    try await harness.perform(.createToken(token("vvvvvvvv", harness)))
    var first = token("tttttttt", harness)
    first.lastUse = use
    var second = token("uuuuuuuu", harness)
    second.revokedAt = harness.now
    let kept = try await harness.store.loadCatalog().tokens.sorted { $0.id < $1.id }
    #expect(kept == [first, second, token("vvvvvvvv", harness)])
    // An hour later the token without another end has ended, and makes room.
    harness.advance(milliseconds: 3_600_000)
    try await harness.perform(.createToken(token("wwwwwwww", harness)))
  }

  @Test(
    "A rotation needs a place, prolongs nothing, and tells of every key", arguments: StoreKind.all)
  func rotation(kind: StoreKind) async throws {
    let harness = try await StoreHarness(kind)
    var short = key("aaaaaaaa", harness)
    short.expiresAt = harness.now.adding(milliseconds: 1_000)
    try await harness.perform(.createKey(short))
    _ = harness.recorder.takeEvents()
    let end = harness.now.adding(milliseconds: 5_000)
    let outcome = try await harness.perform(
      .rotateKey(key("bbbbbbbb", harness), expireOldAt: end))
    guard case .rotated(let new, let expiring) = outcome else {
      Issue.record("not a rotation: \(outcome)")
      return
    }
    #expect(new == key("bbbbbbbb", harness) && expiring == [short])
    await harness.expectFailure(.failedPrecondition, "TOO_MANY_KEYS") {
      try await harness.perform(.rotateKey(key("cccccccc", harness), expireOldAt: end))
    }
    harness.advance(milliseconds: 1_000)
    try await harness.perform(.rotateKey(key("cccccccc", harness), expireOldAt: end))
    let keys = try await harness.store.loadCatalog().keys.sorted { $0.id < $1.id }
    #expect(keys.map(\.expiresAt) == [short.expiresAt, end, nil])
  }
}

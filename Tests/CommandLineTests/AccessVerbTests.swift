import IntegrationAPI
import RPCWire
import Testing

@testable import integrationctl

@Suite struct AccessVerbTests {
  static var token: OperatorToken {
    var token = OperatorToken()
    token.id = "4fg7hj2k"
    token.name = "alice"
    token.role = .operator
    token.live = true
    token.lastUsedAt = Samples.time(secondsAgo: 60)
    token.lastUsedFrom = "192.0.2.7"
    token.expiresAt = Samples.time(secondsAgo: -86_400 * 3)
    return token
  }

  @Test("A token needs a name and a role; it is shown once")
  func createToken() async throws {
    let desk = Desk()
    var reply = CreateTokenResponse()
    reply.token = Self.token
    reply.secret = "imo_4fg7hj2kSECRET"
    desk.server.answer(OperatorServiceMethods.createToken, reply)
    let none = await desk.run("tokens", "create", "alice")
    #expect(none.code == .usage && none.errors.contains("--role is missing"))
    let wrong = await desk.run("tokens", "create", "alice", "--role", "amdin")
    #expect(wrong.code == .usage && wrong.errors.contains("did you mean admin?"))
    let made = await desk.run("tokens", "create", "alice", "--role", "Operator", "--expires", "90d")
    #expect(made.output.contains("Created a token of alice, who is operator."))
    #expect(made.output.contains("\nimo_4fg7hj2kSECRET\n"))
    let sent: [CreateTokenRequest] = try desk.server.requests(OperatorServiceMethods.createToken)
    #expect(sent.count == 1 && sent.first?.role == .operator && sent.first?.expiresAt != nil)
  }

  @Test("Tokens are listed with role, last use and end; revoking asks")
  func listAndRevoke() async throws {
    var desk = Desk()
    desk.answer = false
    var reply = ListTokensResponse()
    reply.tokens = [Self.token]
    desk.server.answer(OperatorServiceMethods.listTokens, reply)
    let list = await desk.run("tokens", "list")
    for text in ["4fg7hj2k", "alice", "operator", "live", "1m ago", "192.0.2.7", "in 3d"] {
      #expect(list.output.contains(text), "\(text)")
    }
    let revoke = await desk.run("tokens", "revoke", "imo_4fg7hj2kSECRET")
    #expect(revoke.questions == ["Revoke token 4fg7hj2k? Whoever uses it is cut off at once."])
    #expect(revoke.code == .refused && desk.server.calls.count == 1)
  }

  @Test("A role that is missing exits 4 and says what to do once")
  func roleMissing() async {
    let desk = Desk()
    desk.server.refuse(
      OperatorServiceMethods.listTokens,
      RPCError(.permissionDenied, "ListTokens needs the role admin", reason: "ROLE_MISSING"))
    let outcome = await desk.run("tokens", "list")
    #expect(outcome.code == .notAllowed)
    #expect(outcome.errors == "integrationctl: ListTokens needs the role admin [ROLE_MISSING]\n")
  }

  @Test("A rotation sends how long the old key lasts, and says when it ends")
  func rotate() async throws {
    let desk = Desk()
    var reply = RotateKeyResponse()
    reply.key = Samples.key
    reply.secret = "imk_newSECRET"
    reply.expiring = [Samples.key]
    desk.server.answer(OperatorServiceMethods.rotateKey, reply)
    let day = await desk.run("keys", "rotate", "customsoft")
    #expect(day.output.contains("imk_newSECRET") && day.output.contains("4fG7hJ2k ends"))
    _ = await desk.run("keys", "rotate", "customsoft", "--expire-old", "2h")
    let sent: [RotateKeyRequest] = try desk.server.requests(OperatorServiceMethods.rotateKey)
    #expect(sent.map(\.expireOldMs) == [86_400_000, 7_200_000])
    #expect(await desk.run("keys", "rotate", "customsoft", "--expire-old", "0s").code == .usage)
  }

  @Test("A key that is revealed is the whole output")
  func reveal() async {
    let desk = Desk()
    var reply = RevealKeyResponse()
    reply.key = Samples.key
    reply.secret = "imk_4fG7hJ2kSECRET"
    desk.server.answer(OperatorServiceMethods.revealKey, reply)
    #expect(await desk.run("keys", "reveal", "4fG7hJ2k").output == "imk_4fG7hJ2kSECRET\n")
  }

  @Test("The audit's filters are sent, and the table says what changed")
  func audit() async throws {
    let desk = Desk()
    var entry = AuditEntry()
    entry.number = 7
    entry.at = Samples.time(secondsAgo: 120)
    entry.principal = "operator:alice"
    entry.action = "PauseIntegration"
    entry.target = "integration/customsoft"
    entry.before = #"{"author":"A, \"B\"","paused":false,"old":[1,{"a":"}"}]}"#
    entry.after = #"{"author":"A, \"B\"","paused":true,"pauseReason":"x"}"#
    var reply = ListAuditResponse()
    reply.entries = [entry]
    desk.server.answer(OperatorServiceMethods.listAudit, reply)
    let line = [
      "audit", "list", "--principal", "alice", "--target", "integration", "--since", "2d",
    ]
    let list = await desk.run(line + ["--order", "oldest"])
    #expect(
      list.output.contains(
        #"paused: false -> true, pauseReason: - -> x, old: [1,{"a":"}"}] -> -"#))
    let sent: [ListAuditRequest] = try desk.server.requests(OperatorServiceMethods.listAudit)
    #expect(sent.first?.principal == "operator:alice" && sent.first?.oldestFirst == true)
    #expect(sent.first?.target == "integration" && sent.first?.since != nil)
    let csv = await desk.run("audit", "list", "-o", "csv").output
    #expect(csv.hasPrefix("number,at,principal,from,action,target,before,after,reason\r\n7,"))
    let never = await desk.run("audit", "list", "--since", "1h", "--until", "2h")
    #expect(never.code == .usage && desk.server.calls.count == 2)
  }
}

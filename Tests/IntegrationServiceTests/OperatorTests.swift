import IntegrationAPI
import IntegrationModel
import ProtobufRuntime
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("What operators do and see")
struct OperatorTests {
  @Test("An integration is created with its first key, shown once, and is found again")
  func create() async throws {
    let harness = try await Harness()
    var request = CreateIntegrationRequest()
    request.name = "erp"
    request.displayName = "The ERP"
    request.author = "A. Uthor"
    request.supportContact = "+43 1 234"
    request.category = "ERP"
    let created = try await harness.operators.createIntegration(request)
    #expect(created.secret.hasPrefix("imk_\(created.key?.id ?? "?")"))
    #expect(created.integration?.health == .neverSeen)
    var get = GetIntegrationRequest()
    get.name = "erp"
    let shown = try await harness.operators.getIntegration(get)
    #expect(shown.integration?.displayName == "The ERP" && shown.integration?.category == "ERP")
    #expect(shown.keys.map(\.id) == [created.key?.id])
    let again = try await failure { [request] in
      try await harness.operators.createIntegration(request)
    }
    #expect(again.code == .alreadyExists && again.reason == "INTEGRATION_EXISTS")
  }

  static let wrongIntegrations: [(String, @Sendable (inout CreateIntegrationRequest) -> Void)] = [
    ("name", { $0.name = "" }), ("name", { $0.name = "My ERP" }), ("author", { $0.author = "" }),
    ("support_contact", { $0.supportContact = "" }),
    ("display_name", { $0.displayName = String(repeating: "x", count: 257) }),
    ("description", { $0.description = String(repeating: "x", count: 4_097) }),
  ]

  @Test("Each wrong field of an integration is named", arguments: wrongIntegrations.indices)
  func wrongIntegration(index: Int) async throws {
    let harness = try await Harness()
    var request = CreateIntegrationRequest()
    request.name = "erp"
    request.author = "a"
    request.supportContact = "b"
    Self.wrongIntegrations[index].1(&request)
    let refused = try await failure { [request] in
      try await harness.operators.createIntegration(request)
    }
    #expect(refused.violations.map(\.field) == [Self.wrongIntegrations[index].0])
  }

  @Test("An update takes the named fields and leaves the others")
  func update() async throws {
    let harness = try await Harness()
    try await harness.createIntegration()
    var request = UpdateIntegrationRequest()
    request.name = "customsoft"
    request.updateFields = ["description"]
    request.description = "Quotes and contacts"
    request.author = "ignored"
    let updated = try await harness.operators.updateIntegration(request).integration
    #expect(updated?.description == "Quotes and contacts")
    #expect(updated?.author == "CustomSoft Inc.")
    request.updateFields = ["author", "colour"]
    request.author = ""
    let refused = try await failure { [request] in
      try await harness.operators.updateIntegration(request)
    }
    #expect(refused.violations.map(\.field) == ["update_fields", "author"])
  }

  @Test("Integrations are listed by name, page by page")
  func listIntegrations() async throws {
    let harness = try await Harness()
    for name in ["c", "a", "d", "b"] { try await harness.createIntegration(name) }
    var request = ListIntegrationsRequest()
    request.pageSize = 3
    let first = try await harness.operators.listIntegrations(request)
    #expect(first.integrations.map(\.name) == ["a", "b", "c"])
    request.pageToken = first.nextPageToken
    let second = try await harness.operators.listIntegrations(request)
    #expect(second.integrations.map(\.name) == ["d"] && second.nextPageToken.isEmpty)
  }

  @Test("Logs are listed newest first, page by page, while new ones arrive")
  func listLogs() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    var ids: [String] = []
    for _ in 0..<5 { ids.append(try await agent.report { _ in }.logID) }
    var request = ListLogsRequest()
    request.pageSize = 3
    let first = try await harness.operators.listLogs(request)
    _ = try await agent.report { _ in }
    request.pageToken = first.nextPageToken
    let second = try await harness.operators.listLogs(request)
    #expect((first.logs + second.logs).map(\.id) == ids.sorted().reversed())
    #expect(second.nextPageToken.isEmpty)
  }

  @Test("A page of large logs is cut to fit a frame, and the next ones bring the rest")
  func largeLogs() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let result = "\"" + String(repeating: "x", count: 262_142) + "\""
    for _ in 0..<20 { _ = try await agent.report { $0.result = result } }
    var request = ListLogsRequest()
    var ids: Set<String> = []
    var pages = 0
    repeat {
      let page = try await harness.operators.listLogs(request)
      ids.formUnion(page.logs.map(\.id))
      request.pageToken = page.nextPageToken
      pages += 1
    } while !request.pageToken.isEmpty && pages < 10
    #expect(ids.count == 20 && pages == 3)
  }

  @Test("A filter narrows lists by each of its fields")
  func filter() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let wanted = try await agent.report { report in
      report.status = .failed
      report.statusMessage = "No such customer"
      report.labels = ["region": "north"]
      report.entity?.id = "Q-7"
    }
    _ = try await agent.report { _ in }
    let filters: [@Sendable (inout LogFilter) -> Void] = [
      { $0.statuses = [.failed] }, { $0.entityIds = ["Q-7"] }, { $0.text = "CUSTOMER" },
      { $0.labels = ["region": "north"] },
      {
        $0.integrations = ["customsoft"]; $0.statuses = [.failed, .timedOut]
      },
    ]
    for narrow in filters {
      var request = ListLogsRequest()
      request.filter = LogFilter()
      narrow(&request.filter!)
      let logs = try await harness.operators.listLogs(request).logs
      #expect(logs.map(\.id) == [wanted.logID], "\(String(describing: request.filter))")
    }
  }

  static let wrongLists: [(String, @Sendable (inout ListLogsRequest) -> Void)] = [
    ("PAGE_TOKEN_INVALID", { $0.pageToken = "x" }), ("PAGE_TOKEN_INVALID", { $0.pageToken = "l" }),
    ("PAGE_TOKEN_INVALID", { $0.pageToken = "l\(LogID.lowest)?" }),
    ("FIELD_INVALID", { $0.pageSize = 1_001 }), ("FIELD_INVALID", { $0.order = .unrecognized(7) }),
    (
      "INTEGRATION_UNKNOWN",
      {
        $0.filter = LogFilter(); $0.filter?.integrations = ["nobody"]
      }
    ),
    (
      "FIELD_INVALID",
      {
        $0.filter = LogFilter(); $0.filter?.statuses = [.unrecognized(9)]
      }
    ),
    (
      "FIELD_INVALID",
      {
        $0.filter = LogFilter(); $0.filter?.entityIds = Array(repeating: "x", count: 101)
      }
    ),
  ]

  @Test("A list that cannot be is refused with its reason", arguments: wrongLists.indices)
  func wrongList(index: Int) async throws {
    let harness = try await Harness()
    var request = ListLogsRequest()
    Self.wrongLists[index].1(&request)
    let refused = try await failure { [request] in try await harness.operators.listLogs(request) }
    #expect(refused.reason == Self.wrongLists[index].0)
  }

  @Test("A log that is not there is unknown, and an id that is none is named")
  func unknownLog() async throws {
    let harness = try await Harness()
    let missing = IntegrationService.newLogID().description
    #expect(try await failure { try await harness.log(missing) }.reason == "LOG_UNKNOWN")
    let wrong = try await failure { try await harness.log("Q-1") }
    #expect(wrong.violations.map(\.field) == ["id"])
  }

  @Test("Record errors come page by page")
  func errorPages() async throws {
    let harness = try await Harness()
    let agent = try await harness.agent()
    let reply = try await agent.report { report in
      report.errors = (0..<5).map { number in
        var error = RecordError()
        error.message = "line \(number)"
        return error
      }
    }
    var request = GetLogRequest()
    request.id = reply.logID
    request.errorPageSize = 3
    let first = try await harness.operators.getLog(request)
    request.errorPageToken = first.nextErrorPageToken
    let second = try await harness.operators.getLog(request)
    #expect((first.errors + second.errors).map(\.message) == (0..<5).map { "line \($0)" })
    #expect(second.nextErrorPageToken.isEmpty)
    // Whom to call is shown with how the integration is, not with empty counts.
    #expect(second.integration?.health != .unspecified)
    #expect(second.integration?.logs == 1)
  }

  @Test("The server says its version, limits by flag, and counters")
  func serverInfo() async throws {
    let harness = try await Harness()
    let info = try await harness.operators.getServerInfo(GetServerInfoRequest())
    #expect(info.version == "test" && info.schemaVersion > 0)
    #expect(info.limits["accept-timeout"] == "10s")
    #expect(info.limits["queue-timeout"] == "7d")
    #expect(info.limits["maximum-waiting-polls"] == "20000")
    #expect((info.counters["connections"] ?? 0) >= 1)
  }

  @Test("A key's last use is shown")
  func lastUsed() async throws {
    let harness = try await Harness()
    let secret = try await harness.createIntegration()
    _ = harness.service.authenticator.authenticate(AuthenticationTests.credential(secret))
    let keys = try await harness.operators.listKeys(ListKeysRequest()).keys
    #expect(keys.first?.lastUsedAt != nil)
  }
}

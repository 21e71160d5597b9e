import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `integrations`: create, list, show, update, pause, resume.
enum IntegrationCommands {
  static let name = Positional.required(.name("NAME"), help: "the integration's name")

  static let displayName = field("display-name", 256, "its name for people [default: NAME]")
  static let category = field("category", 256, "what kind of software: CRM, ERP, accounting")
  static let author = field("author", 256, "who wrote the agent; needed to create")
  static let supportContact = field(
    "support-contact", 256, "whom to call when it fails; needed to create")
  static let description = field("description", 4096, "what it does, in a sentence or two")

  static let noun = Noun(
    Command("integrations", "connected software: its author, contact and health").withExamples([
      CommandExample("integrationctl integrations list", "all of them with their health"),
      CommandExample(
        "integrationctl integrations show customsoft", "agents, keys and actions of one"),
    ]), [create, list, show, update, pause, resume])

  static let create = Verb(
    Command(
      "create", "create an integration and its first key, which is shown once",
      flags: [displayName, category, author, supportContact, description, KeyFile.flag],
      positionals: [name]
    ).withExamples([
      CommandExample(
        "integrationctl integrations create customsoft --author 'CustomSoft GmbH' "
          + "--support-contact support@customsoft.example", "begin with author and contact"),
      CommandExample(
        "integrationctl integrations create crm --author Us --support-contact 'it desk, 4711' "
          + "--key-file crm.key", "keep the key in a file of its own"),
    ])
  ) { try await runCreate($0) }

  static let list = Verb(
    Command("list", "all integrations by name", flags: FilterFlags.paging).withExamples([
      CommandExample("integrationctl integrations list", "all of them with their health")
    ]), .list
  ) { invocation in
    let page = try await Page<Integration>.fetch(invocation.arguments) {
      size, token throws(Failure) in
      var request = ListIntegrationsRequest()
      request.pageSize = size
      request.pageToken = token
      let reply = try await invocation.call { client throws(RPCError) in
        try await client.listIntegrations(request)
      }
      return Page(rows: reply.integrations, nextToken: reply.nextPageToken)
    }
    try invocation.write(page, as: listing)
  }

  static let show = Verb(
    Command("show", "one integration with its agents, actions and keys", positionals: [name])
      .withExamples([
        CommandExample("integrationctl integrations show customsoft", "everything about one")
      ])
  ) { invocation in
    var request = GetIntegrationRequest()
    request.name = invocation.arguments[name]
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.getIntegration(request)
    }
    try invocation.write(reply) { IntegrationView.text(reply, $0) }
  }

  static let update = Verb(
    Command(
      "update", "change what people see of an integration",
      flags: [displayName, category, author, supportContact, description], positionals: [name]
    ).withExamples([
      CommandExample(
        "integrationctl integrations update customsoft --support-contact '+49 30 1234567'",
        "a new contact; the rest stays")
    ])
  ) { try await runUpdate($0) }

  static let pause = Verb(
    Command(
      "pause", "let its agents take nothing new; queued work waits", flags: [GlobalFlags.reason],
      positionals: [name]
    ).withExamples([
      CommandExample(
        "integrationctl integrations pause customsoft --reason 'CRM upgrade until 18:00'",
        "before a maintenance")
    ])
  ) { invocation in
    var request = PauseIntegrationRequest()
    request.name = invocation.arguments[name]
    request.reason = invocation.arguments[GlobalFlags.reason]
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.pauseIntegration(request)
    }
    try invocation.write(reply) { _ in
      "\(request.name) is paused: its agents take nothing new.\n"
        + "End it with: integrationctl integrations resume \(request.name)\n"
    }
  }

  static let resume = Verb(
    Command("resume", "end a pause", positionals: [name]).withExamples([
      CommandExample("integrationctl integrations resume customsoft", "after the maintenance")
    ])
  ) { invocation in
    var request = ResumeIntegrationRequest()
    request.name = invocation.arguments[name]
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.resumeIntegration(request)
    }
    try invocation.write(reply) { _ in "\(request.name) takes work again.\n" }
  }

  static let listing = Listing<Integration>(
    table: Table(columns: [
      Column("INTEGRATION") { row, _ in Cell(row.name) },
      Column("HEALTH") { row, _ in .health(row.health) },
      Column(number: "OPEN") { $0.openLogs },
      Column("FAILED 24H", alignment: .right) { row, _ in
        Cell("\(row.failedLogsDay)", row.failedLogsDay > 0 ? .bad : .plain)
      },
      Column("LAST LOG", .useful) { row, now in .ago(row.lastLogAt, now, missing: "never") },
      Column("PHONED HOME", .useful) { row, now in .ago(row.lastPhoneHomeAt, now, missing: "never")
      },
      Column(number: "AGENTS", .useful) { UInt64($0.agents) },
      Column(number: "LOGS", .extra) { $0.logs },
      Column("SUPPORT CONTACT", .extra, cuttableTo: 16) { row, _ in Cell(row.supportContact) },
    ]),
    csvPaths: [
      "name", "displayName", "category", "author", "supportContact", "description", "paused",
      "pauseReason", "health", "lastLogAt", "lastPhoneHomeAt", "openLogs", "failedLogsDay",
      "agents", "createdAt", "logs",
    ],
    empty: "No integrations yet. Begin with: integrationctl integrations create NAME --author A "
      + "--support-contact C")

  private static func field(_ name: String, _ maximumBytes: Int, _ help: String) -> Flag<String> {
    .value(FlagName(name), .text("TEXT", maximumBytes: maximumBytes), default: "", help: help)
  }

  private static func runCreate(_ invocation: Invocation) async throws {
    let arguments = invocation.arguments
    for flag in [author, supportContact] where arguments[flag].isEmpty {
      throw UsageError(
        "\(invocation.title): --\(flag.declaration.name.long) is missing: "
          + flag.declaration.help,
        hint: "Operators see it when something fails. Try: \(invocation.title) --help")
    }
    var request = CreateIntegrationRequest()
    request.name = arguments[name]
    request.displayName = arguments[displayName]
    request.category = arguments[category]
    request.author = arguments[author]
    request.supportContact = arguments[supportContact]
    request.description = arguments[description]
    let reply = try await KeyFile.withFile(invocation) { () async throws(Failure) in
      try await invocation.call { client throws(RPCError) in
        try await client.createIntegration(request)
      }
    } secret: {
      $0.secret
    }
    try invocation.write(reply) { presentation in
      var document = Document(presentation)
      document.line(Cell("Created integration \(request.name).", .good))
      KeyCommands.addSecret(reply.secret, .key, to: &document, invocation)
      return document.text
    }
  }

  private static func runUpdate(_ invocation: Invocation) async throws {
    let arguments = invocation.arguments
    let fields: [(Flag<String>, String)] = [
      (displayName, "display_name"), (category, "category"), (author, "author"),
      (supportContact, "support_contact"), (description, "description"),
    ]
    var request = UpdateIntegrationRequest()
    request.name = arguments[name]
    request.updateFields = fields.filter { arguments.isGiven($0.0) }.map(\.1)
    guard !request.updateFields.isEmpty else {
      throw UsageError(
        "\(invocation.title): nothing to change",
        hint: "Give at least one of --display-name, --category, --author, --support-contact, "
          + "--description.")
    }
    request.displayName = arguments[displayName]
    request.category = arguments[category]
    request.author = arguments[author]
    request.supportContact = arguments[supportContact]
    request.description = arguments[description]
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.updateIntegration(sent)
    }
    try invocation.write(reply) { _ in "Updated \(sent.name).\n" }
  }
}

import CommandLineOptions
import RPCWire

/// `context`: servers by name.
enum ContextCommands {
  static let name = Positional.required(
    .name("NAME").completed(with: .contexts), help: "the context's name")
  static let newName = Positional.required(.name("NEW_NAME"), help: "the name that it gets")
  static let added = Positional.required(.name("NAME"), help: "what you call that server: prod")
  static let shown = Positional.optional(
    .name("NAME").completed(with: .contexts), help: "the context's name; else the current one")

  static let use = Flag.toggle("use", help: "make it the current one")
  static let replace = Flag.toggle("replace", help: "in the place of one with the same name")

  static let noun = Noun(
    Command("context", "servers by name, each with its address and token").withExamples([
      CommandExample(
        "integrationctl context add prod --server tcp:im.example:7300",
        "name a server; the token is asked for"),
      CommandExample("integrationctl context use prod", "work with it from now on"),
      CommandExample("integrationctl status --context test", "look at another one once"),
    ]).withDiscussion(
      "Which server a command means: --server and --token; then --context; then "
        + "INTEGRATION_SERVER and INTEGRATION_TOKEN; then INTEGRATION_CONTEXT; then the current "
        + "context; then the default socket. A context's token goes to its own server only.\n"
        + "They stand in $XDG_CONFIG_HOME/integrationctl/contexts (~/.config), which only you may "
        + "read."), [add, list, showVerb, useVerb, rename, remove])

  static let add = Verb(
    Command(
      "add", "name a server and keep its token", flags: [use, replace], positionals: [added]
    ).withExamples([
      CommandExample(
        "integrationctl context add prod --server tcp:im.example:7300",
        "the token is asked for, and not shown"),
      CommandExample(
        "integrationctl context add prod --server tcp:im.example:7300 --use < token.txt",
        "the token from a file"),
      CommandExample(
        "integrationctl context add here --server unix:/run/integrationd.sock --token ''",
        "a server that needs no token"),
    ]).withDiscussion(
      "Without --token the token is read from standard input, on a terminal without showing it. "
        + "The first context that is added is the current one.")
  ) { try runAdd($0) }.local()

  static let list = Verb(
    Command("list", "all contexts, without their tokens").withExamples([
      CommandExample("integrationctl context list", "which servers there are")
    ]), .list
  ) { invocation in
    let contexts = try invocation.contextFile.read()
    let rows = contexts.entries.map { ContextRow($0, current: contexts.current) }
    try invocation.write(Page(rows: rows), as: listing)
  }.showing(listing).local()

  static let showVerb = Verb(
    Command("show", "one context, without its token", positionals: [shown]).withExamples([
      CommandExample("integrationctl context show", "where commands go now")
    ])
  ) { invocation in
    let contexts = try invocation.contextFile.read()
    guard let name = invocation.arguments[shown] ?? contexts.current else {
      throw Failure(
        .notFound, "no context is the current one", reason: "CONTEXT_UNKNOWN",
        next: "See: integrationctl context list")
    }
    let context = try ServerChoice.find(name, in: contexts)
    try invocation.write(ContextRow(context, current: contexts.current)) { presentation in
      var document = Document(presentation)
      document.line(Cell(context.name, .heading), contexts.current == name ? "current" : "")
      document.fields([
        ("Server", Cell("\(context.server)")),
        ("Token", context.token == nil ? Cell("none", .faint) : "kept, not shown"),
        ("File", Cell(invocation.contextFile.path)),
      ])
      return document.text
    }
  }.local()

  static let useVerb = Verb(
    Command("use", "make a context the current one", positionals: [name]).withExamples([
      CommandExample("integrationctl context use prod", "work with it from now on")
    ])
  ) { invocation in
    let name = invocation.arguments[name]
    let context = try invocation.contextFile.change { contexts throws(Failure) in
      contexts.current = name
      return try ServerChoice.find(name, in: contexts)
    }
    try write(context, current: name, invocation, "Commands go to \(context.server) now.\n")
    for variable in ["INTEGRATION_SERVER", "INTEGRATION_CONTEXT"] {
      guard let value = invocation.environment[variable] else { continue }
      invocation.console.warn("\(variable)=\(value) still comes before it here.\n")
    }
  }.local()

  static let rename = Verb(
    Command("rename", "give a context another name", positionals: [name, newName]).withExamples([
      CommandExample("integrationctl context rename prod production", "a longer name")
    ])
  ) { invocation in
    let (old, new) = (invocation.arguments[name], invocation.arguments[newName])
    let (context, current) = try invocation.contextFile.change { contexts throws(Failure) in
      let context = try ServerChoice.find(old, in: contexts)
      guard contexts[new] == nil else { throw exists(new) }
      let renamed = ServerContext(name: new, server: context.server, token: context.token)
      contexts.entries = contexts.entries.map { $0.name == old ? renamed : $0 }
      if contexts.current == old { contexts.current = new }
      return (renamed, contexts.current)
    }
    try write(context, current: current, invocation, "\(old) is \(new) now.\n")
  }.local()

  static let remove = Verb(
    Command(
      "remove", "forget a context and its token", flags: [GlobalFlags.yes], positionals: [name]
    ).withExamples([
      CommandExample("integrationctl context remove test", "a server that is no more")
    ])
  ) { invocation in
    let name = invocation.arguments[name]
    let known = try ServerChoice.find(name, in: try invocation.contextFile.read())
    if known.token != nil { try invocation.confirm("Forget context \(name) and its token?") }
    let (context, current) = try invocation.contextFile.change { contexts throws(Failure) in
      let context = try ServerChoice.find(name, in: contexts)
      contexts.entries.removeAll { $0.name == name }
      if contexts.current == name { contexts.current = nil }
      return (context, contexts.current)
    }
    try write(context, current: current, invocation, "Removed \(name).\n")
  }.local()

  private static func runAdd(_ invocation: Invocation) throws {
    let arguments = invocation.arguments
    let name = arguments[added]
    guard arguments.source(of: GlobalFlags.server) == .commandLine else {
      throw UsageError(
        "\(invocation.title): --server is missing: \(GlobalFlags.server.declaration.help)",
        hint: "For example: integrationctl context add \(name) --server tcp:HOST:7300")
    }
    let isReplacing = arguments[replace]
    // Before the token is asked for: nobody should type it in vain.
    if try invocation.contextFile.read()[name] != nil, !isReplacing { throw exists(name) }
    let isGiven = arguments.source(of: GlobalFlags.token) == .commandLine
    let typed =
      isGiven
      ? arguments[GlobalFlags.token] ?? ""
      : invocation.console.readSecret("Token for \(arguments[GlobalFlags.server]) (none: Enter): ")
    guard typed.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw UsageError(
        "\(invocation.title): a token has letters, digits and signs, and no spaces",
        hint: "Is something else on standard input? For no token give --token ''.")
    }
    let context = ServerContext(
      name: name, server: arguments[GlobalFlags.server], token: typed.isEmpty ? nil : typed)
    let current = try invocation.contextFile.change { contexts throws(Failure) in
      guard contexts[name] == nil || isReplacing else { throw exists(name) }
      if contexts[name] == nil {
        contexts.entries.append(context)
      } else {
        contexts.entries = contexts.entries.map { $0.name == name ? context : $0 }
      }
      if arguments[use] || contexts.entries.count == 1 { contexts.current = name }
      return contexts.current
    }
    let next =
      current == name
      ? "It is the current one: integrationctl status"
      : "Use it once with --context \(name), or from now on: integrationctl context use \(name)"
    try write(context, current: current, invocation, "Added \(name).\n\(next)\n")
  }

  private static func exists(_ name: String) -> Failure {
    Failure(
      .refused, "there is a context \(name) already", reason: "CONTEXT_EXISTS",
      next: "Add --replace to change it, or choose another name.")
  }

  private static func write(
    _ context: ServerContext, current: String?, _ invocation: Invocation, _ sentence: String
  ) throws {
    try invocation.write(ContextRow(context, current: current)) { _ in sentence }
  }

  static let listing = Listing<ContextRow>(
    table: Table(columns: [
      Column("CONTEXT") { row, _ in Cell(row.name) },
      Column("CURRENT") { row, _ in row.current ? Cell("current", .good) : "" },
      Column("SERVER", cuttableTo: 12) { row, _ in Cell(row.server) },
      Column("TOKEN") { row, _ in row.hasToken ? "kept" : Cell("none", .faint) },
    ]),
    csvPaths: ["name", "server", "hasToken", "current"],
    empty: "No contexts yet. Begin with: integrationctl context add NAME --server ADDRESS")
}

/// A context as lists show it: never with its token.
struct ContextRow: Encodable, Sendable {
  let name: String
  let server: String
  let hasToken: Bool
  let current: Bool

  init(_ context: ServerContext, current: String?) {
    name = context.name
    server = "\(context.server)"
    hasToken = context.token != nil
    self.current = context.name == current
  }
}

extension Invocation {
  /// The file of the user's contexts.
  var contextFile: ContextFile { ContextFile(environment: environment) }
}

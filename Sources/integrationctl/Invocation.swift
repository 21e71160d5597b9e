import CommandLineOptions
import IntegrationAPI
import RPCClient
import RPCWire

/// One run of a verb: what was asked, where to write, how to reach the server.
struct Invocation: Sendable {
  let arguments: Arguments
  let console: Console
  let connect: OperatorProgram.Connect
  /// Where the program reads its environment variables.
  let environment: Environment

  var output: OutputFormat { arguments[GlobalFlags.output] }

  /// `integrationctl logs list`, for messages.
  var title: String { "integrationctl \(arguments.path.joined(separator: " "))" }

  // MARK: The server

  /// Connects to the server that the command line names.
  func client() async throws(Failure) -> OperatorServiceClient {
    let address = arguments[GlobalFlags.server]
    do {
      let channel = try await connect(address, arguments[GlobalFlags.token] ?? "")
      return OperatorServiceClient(channel: channel)
    } catch {
      throw Failure(error, server: address)
    }
  }

  /// Makes a call; what the server refuses becomes a failure with its exit code.
  func call<Reply: Sendable>(
    _ body: (OperatorServiceClient) async throws(RPCError) -> Reply
  ) async throws(Failure) -> Reply {
    try await call(client(), body)
  }

  /// Makes a call over a connection that is there already.
  func call<Reply: Sendable>(
    _ client: OperatorServiceClient,
    _ body: (OperatorServiceClient) async throws(RPCError) -> Reply
  ) async throws(Failure) -> Reply {
    do {
      return try await body(client)
    } catch {
      throw Failure(error, server: arguments[GlobalFlags.server])
    }
  }

  // MARK: Questions

  /// Asks before something ends or is destroyed; returns when it may go on.
  ///
  /// Without a terminal nobody can answer, so that `--yes` is needed: a script says what it means.
  func confirm(_ question: String) throws {
    if arguments[GlobalFlags.yes] { return }
    guard let ask = console.ask else {
      throw UsageError(
        "\(title): asks before it acts, and nobody can answer here", hint: "Add --yes.")
    }
    guard ask(question) else { throw Failure(.refused, "nothing was done") }
  }

  // MARK: Results

  /// Writes one message: JSON as it is, or text for people.
  func write(_ message: some Encodable, people: (Presentation) -> String) throws {
    switch output {
    case .json: try console.show(JSONTreeEncoder.tree(of: message).prettyText + "\n")
    case .jsonl: try console.write(JSONTreeEncoder.tree(of: message).compactText + "\n")
    case .table, .csv: try console.show(people(console.presentation))
    }
  }

  /// Makes one call for each name, and stops at the first that fails; what was done is written.
  func callForEach<Reply: Encodable & Sendable>(
    _ names: [String],
    _ body: @Sendable (OperatorServiceClient, String) async throws(RPCError) -> Reply,
    people: (Reply) -> String
  ) async throws {
    let client = try await client()
    var replies: [Reply] = []
    var failure: Failure?
    for name in names {
      do {
        let reply = try await call(client) { client throws(RPCError) in
          try await body(client, name)
        }
        replies.append(reply)
      } catch {
        failure = error
        break
      }
    }
    if !replies.isEmpty { try writeAll(replies, people: people) }
    if let failure { throw failure }
  }

  /// Writes the replies of a verb that takes several names: one object for one, else an array.
  private func writeAll<Message: Encodable>(
    _ messages: [Message], people: (Message) -> String
  ) throws {
    let trees = try messages.map { try JSONTreeEncoder.tree(of: $0) }
    switch output {
    case .json:
      let tree = trees.count == 1 ? trees[0] : .array(trees)
      try console.write(tree.prettyText + "\n")
    case .jsonl: try console.write(trees.map { $0.compactText + "\n" }.joined())
    case .table, .csv: try console.write(messages.map(people).joined())
    }
  }

  /// Writes a list in the chosen format, with the columns that the command line names.
  func write<Row: Encodable & Sendable>(_ page: Page<Row>, as listing: Listing<Row>) throws {
    let names = arguments.declares(ListFlags.columns) ? arguments[ListFlags.columns] : []
    let hasHeadings = !(arguments.declares(ListFlags.noHeaders) && arguments[ListFlags.noHeaders])
    switch output {
    case .json:
      try console.show(JSONTreeEncoder.tree(of: page.rows).prettyText + "\n")
    case .jsonl:
      var text = ""
      for row in page.rows { text += try JSONTreeEncoder.tree(of: row).compactText + "\n" }
      try console.show(text)
    case .csv:
      let paths = try listing.csvPaths(showing: names)
      var text = hasHeadings ? CSVText.line(paths) : ""
      for row in page.rows {
        text += CSVText.line(try JSONTreeEncoder.tree(of: row), paths: paths)
      }
      try console.show(text)
    case .table:
      guard !page.rows.isEmpty else { return console.warn(listing.empty + "\n") }
      var presentation = console.presentation
      presentation.hasHeadings = hasHeadings
      let lines = try listing.table(showing: names).lines(page.rows, presentation)
      try console.show(lines.joined(separator: "\n") + "\n")
    }
    if !page.nextToken.isEmpty {
      console.warn("There are more: add --page-token \(page.nextToken), or a higher --limit.\n")
    }
  }
}

/// How a list of messages is shown.
struct Listing<Row: Encodable & Sendable>: Sendable {
  let table: Table<Row>
  /// The columns of CSV, as paths of proto3 JSON.
  let csvPaths: [String]
  /// What people read when there is nothing.
  let empty: String
}

/// Rows, and where to go on.
struct Page<Row: Sendable>: Sendable {
  var rows: [Row] = []
  var nextToken = ""

  /// The server's limit of one page.
  private static var maximumPageSize: UInt32 { 1000 }

  /// Fetches pages until there are `limit` rows or no more.
  static func fetch(
    _ arguments: Arguments,
    page: (_ size: UInt32, _ token: String) async throws(Failure) -> Page
  ) async throws(Failure) -> Page {
    var result = Page(nextToken: arguments[FilterFlags.pageToken] ?? "")
    let limit = Int(arguments[FilterFlags.limit])
    repeat {
      let size = min(UInt32(limit - result.rows.count), maximumPageSize)
      let next = try await page(size, result.nextToken)
      // A page may be empty where little matches, but one that leads to itself has no end.
      if next.rows.isEmpty, next.nextToken == result.nextToken { break }
      result.rows += next.rows
      result.nextToken = next.nextToken
    } while !result.nextToken.isEmpty && result.rows.count < limit
    return result
  }
}

import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `server export`: everything as lines of JSON.
enum ExportCommand {
  static let file = Positional<String?>.optional(
    ValueForm<String>.path.named("FILE"), help: "the new file; - or nothing: standard output")
  static let withoutLogs = Flag.toggle("without-logs", help: "leave logs out")

  static let verb = Verb(
    Command(
      "export", "write everything that is stored as lines of JSON", flags: [withoutLogs],
      positionals: [file]
    ).withExamples([
      CommandExample("integrationctl server export everything.jsonl", "into a new file"),
      CommandExample(
        "integrationctl server export | gzip > everything.jsonl.gz", "through a program"),
    ]).withDiscussion(
      "Keys leave as hashes: they work in another server, but cannot be shown there. Every line is "
        + "of one moment; logs that are made meanwhile may be missing.")
  ) { invocation in
    let path = invocation.arguments[file] ?? "-"
    var request = ExportDataRequest()
    request.withoutLogs = invocation.arguments[withoutLogs]
    let stream = try await invocation.client().exportData(request)
    var progress = ProgressLine(invocation.console)
    defer { progress.end() }
    var count = 0
    do {
      if path == "-" {
        for try await page in stream {
          try invocation.console.write(page.lines.map { $0 + "\n" }.joined())
        }
        return
      }
      var file = try NewFile(path)
      for try await page in stream {
        try file.write(page.lines.map { $0 + "\n" }.joined())
        count += page.lines.count
        progress.show("\(count) lines written")
      }
      try file.keep()
    } catch let error as RPCError {
      throw Failure(error, server: invocation.arguments[GlobalFlags.server])
    }
    progress.end()
    invocation.console.warn("\(path) has \(count) lines.\n")
  }
}

/// `server import`: exported lines into an empty server.
enum ImportCommand {
  static let file = Positional.required(
    ValueForm<String>.path.named("FILE"), help: "a file of server export; - is standard input")
  /// Bytes of lines in one step.
  private static let stepBytes = 262_144

  static let verb = Verb(
    Command(
      "import", "bring exported lines into an empty server, all or nothing", positionals: [file]
    )
    .withExamples([
      CommandExample("integrationctl server import everything.jsonl", "from a file"),
      CommandExample(
        "integrationctl server import -", "from standard input"),
    ])
  ) { invocation in
    var reader = try LineReader(invocation.arguments[file])
    let client = try await invocation.client()
    var progress = ProgressLine(invocation.console)
    defer { progress.end() }
    var state = ImportDataResponse()
    repeat {
      let lines = try reader.lines(bytes: stepBytes)
      var request = ImportDataRequest()
      request.importID = state.importID
      request.firstLine = state.lines + 1
      request.lines = lines
      request.finish = lines.isEmpty
      let step = request
      if step.finish { progress.show("\(state.lines) lines sent; the server stores them") }
      state = try await invocation.call(client) { client throws(RPCError) in
        try await client.importData(step)
      }
      if step.finish { break }
      progress.show("\(state.lines) lines sent")
    } while true
    progress.end()
    let reply = state
    try invocation.write(reply) { _ in
      "\(reply.lines) lines are stored: \(reply.integrations) integrations, \(reply.logs) logs.\n"
    }
  }
}

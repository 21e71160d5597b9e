import CommandLineOptions
import Glibc
import IntegrationAPI
import RPCWire

/// `server backup`: a copy of the database while the server works.
enum BackupCommand {
  static let file = Positional.required(
    ValueForm<String>.path.named("FILE"), help: "the new file, on the server's machine")

  static let verb = Verb(
    Command(
      "backup", "copy the database into a new file while the server works", positionals: [file]
    )
    .withExamples([
      CommandExample("integrationctl server backup /backup/monday.db", "make a backup"),
      CommandExample(
        "integrationctl server backup monday.db", "into this directory of the server's machine"),
    ]).withDiscussion(
      "The server writes the file as its own user, mode 0600, and never over another. It holds "
        + "every record of the moment at which it ends; integrationd --restore FILE starts with a "
        + "copy of it. Keys work from it; to show them again "
        + "keep the data directory's sealing.key beside it.")
  ) { invocation in
    let path = try absolute(invocation.arguments[file], invocation)
    var request = BackUpRequest()
    request.path = path
    let client = try await invocation.client()
    var last = BackUpResponse()
    var progress = ProgressLine(invocation.console)
    defer { progress.end() }
    do {
      var steps = client.backUp(request).makeAsyncIterator()
      while let step = try await steps.next() {
        let total = max(step.totalBytes, last.totalBytes)
        if step.done {
          last.done = true
          last.doneBytes = last.totalBytes
        } else {
          last = step
        }
        progress.show(
          "\(ByteText.words(last.doneBytes)) of \(ByteText.words(total)) copied")
      }
    } catch let error as RPCError {
      let failure = Failure(error, server: invocation.arguments[GlobalFlags.server])
      guard error.reason == "BACKUP_NOT_POSSIBLE" else { throw failure }
      throw failure.adding(
        next: "The server makes \(path) as its own user, on its own machine: name a file of a "
          + "directory that it may write to.")
    }
    guard last.done else {
      throw Failure(.refused, "the server ended the backup before it was whole")
    }
    progress.end()
    let reply = last
    try invocation.write(reply) { _ in
      "\(path) holds the database, \(ByteText.words(reply.totalBytes)).\n"
    }
  }

  /// The path as the server understands it: of this directory when the server is on this machine.
  private static func absolute(_ path: String, _ invocation: Invocation) throws -> String {
    if path.hasPrefix("/") { return path }
    guard case .unix = invocation.arguments[GlobalFlags.server] else {
      throw UsageError(
        "\(invocation.title): \(path) is relative, and the file is written on the server's machine",
        hint: "Give an absolute path there.")
    }
    guard let directory = unsafe getcwd(nil, 0) else {
      throw Failure(.refused, "this directory has no path: \(Failure.systemMessage(errno))")
    }
    defer { unsafe free(directory) }
    return unsafe "\(String(cString: directory))/\(path)"
  }
}

/// `server check`: looks whether the store is whole.
enum CheckCommand {
  static let verb = Verb(
    Command("check", "look whether the store is whole, while the server works").withExamples([
      CommandExample("integrationctl server check", "exit code 1 when something is wrong"),
      CommandExample("integrationctl server check -o json | jq '.problems[]'", "for a script"),
    ])
  ) { invocation in
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.checkStore(CheckStoreRequest())
    }
    try invocation.write(reply) { presentation in
      var document = Document(presentation)
      let isWhole = reply.problems.isEmpty
      document.line(
        Cell(isWhole ? "The store is whole." : "The store is not whole.", isWhole ? .good : .bad))
      for problem in reply.problems { document.line(Cell(problem, .bad)) }
      document.fields([
        ("Logs", Cell("\(reply.logs)")), ("Database", Cell(ByteText.words(reply.databaseBytes))),
        ("Took", Cell(TimeText.span(milliseconds: Int64(clamping: reply.durationMs)))),
      ])
      return document.text
    }
    guard reply.problems.isEmpty else {
      throw Failure(
        .refused,
        reply.problems.count == 1
          ? "1 problem was found" : "\(reply.problems.count) problems were found",
        next: "Make a backup of what there is (integrationctl server backup), then restore the "
          + "last one that was whole: integrationd --restore.")
    }
  }
}

import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `logs note` and `logs handled`: what people write down about a log.
enum LogNotes {
  private static let text = Positional.required(
    .text("TEXT", maximumBytes: 4096), help: "what those should know who read it later")
  private static let noteText = Flag.value(
    "note", .text("TEXT", maximumBytes: 4096), default: "", help: "where and how")
  private static let undo = Flag.toggle("undo", help: "take the mark back")

  static let note = Verb(
    Command(
      "note", "write something down in a log's timeline", positionals: [LogCommands.id, text]
    ).withExamples([
      CommandExample(
        "integrationctl logs note 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37 'they fix it'",
        "for whoever looks next")
    ])
  ) { invocation in
    var request = AddNoteRequest()
    request.id = try await invocation.wholeIDs([invocation.arguments[LogCommands.id]])[0]
    request.note = invocation.arguments[text]
    let sent = request
    let reply = try await invocation.call { client throws(RPCError) in
      try await client.addNote(sent)
    }
    try invocation.write(reply) { _ in "Noted on \(reply.log?.id ?? "").\n" }
  }

  static let handled = Verb(
    Command(
      "handled", "say that failures were put right elsewhere: they count as failures no more",
      flags: [noteText, undo], positionals: [LogCommands.ids]
    ).withExamples([
      CommandExample(
        "integrationctl logs handled 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37 --note 'by hand'",
        "the order was keyed in"),
      CommandExample(
        "integrationctl logs handled 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37 --undo",
        "it was not, after all"),
    ])
  ) { invocation in
    let (note, isUndone) = (invocation.arguments[noteText], invocation.arguments[undo])
    let ids = try await invocation.wholeIDs(invocation.arguments[LogCommands.ids])
    try await invocation.callForEach(ids) {
      client, id throws(RPCError) in
      var request = MarkHandledRequest()
      request.id = id
      request.handled = !isUndone
      request.note = note
      return try await client.markHandled(request)
    } people: { reply in
      "\(reply.log?.id ?? "") \(isUndone ? "is open again" : "is handled").\n"
    }
  }
}

import CommandLineOptions

/// One thing that an operator can do: how it is called and what it does.
struct Verb: Sendable {
  /// What a verb writes.
  enum Result: Sendable {
    /// One message, or a sentence.
    case one
    /// Rows, all at once.
    case list
    /// Rows as they come.
    case stream
  }

  private(set) var command: Command
  let result: Result
  /// Whether it works without a server.
  private(set) var isLocal = false
  let run: @Sendable (Invocation) async throws -> Void

  /// A verb; those that write a list get the flags that every list has, and `list` itself
  /// `--watch`.
  init(
    _ command: Command, _ result: Result = .one,
    run: @escaping @Sendable (Invocation) async throws -> Void
  ) {
    var more: [any DeclaredFlag] = []
    if result == .list { more = [ListFlags.columns, ListFlags.noHeaders] }
    if result == .list, command.name == "list" { more.append(ListFlags.watch) }
    self.command = command.withFlags(more)
    self.result = result
    self.run = run
  }

  /// The same verb, which can be run again and again: it only reads.
  func watched() -> Verb {
    var copy = self
    copy.command = command.withFlags([ListFlags.watch])
    return copy
  }

  /// The same verb, which declares the columns of its list: help, completion and errors name them.
  func showing<Row>(_ listing: Listing<Row>) -> Verb {
    var copy = self
    copy.command.flags = command.flags.map { flag in
      flag.declaration.name.long == "columns" ? ListFlags.columns(of: listing) : flag
    }
    return copy
  }

  /// The same verb, which needs no server.
  func local() -> Verb {
    var copy = self
    copy.isLocal = true
    return copy
  }
}

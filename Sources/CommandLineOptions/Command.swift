/// One line that a reader can copy, and what it does.
public struct CommandExample: Sendable, Equatable {
  /// The whole command line.
  public let line: String
  /// What it does, in a few words.
  public let purpose: String

  /// An example.
  public init(_ line: String, _ purpose: String) {
    self.line = line
    self.purpose = purpose
  }
}

/// A program, a noun or a verb: what it takes and what stands below it.
///
/// A command has either subcommands or arguments. Its flags are understood by all below.
public struct Command: Sendable {
  /// The word that selects it.
  public let name: String
  /// One line for lists and the head of its help, without a full stop.
  public let summary: String
  /// What else a reader must know; paragraphs are wrapped to the terminal.
  public var discussion = ""
  /// Lines to copy; help shows them first.
  public var examples: [CommandExample] = []
  /// Its flags.
  public var flags: [any DeclaredFlag] = []
  /// Its arguments in order.
  public var positionals: [any DeclaredPositional] = []
  /// What stands below it.
  public var subcommands: [Command] = []

  /// A command; set what else it has on the value.
  public init(
    _ name: String, _ summary: String, flags: [any DeclaredFlag] = [],
    positionals: [any DeclaredPositional] = []
  ) {
    self.name = name
    self.summary = summary
    self.flags = flags
    self.positionals = positionals
  }

  /// The same command with examples.
  public func withExamples(_ examples: [CommandExample]) -> Command {
    var copy = self
    copy.examples = examples
    return copy
  }

  /// The same command with a longer text.
  public func withDiscussion(_ text: String) -> Command {
    var copy = self
    copy.discussion = text
    return copy
  }

  /// The same command with more flags behind its own.
  public func withFlags(_ more: [any DeclaredFlag]) -> Command {
    var copy = self
    copy.flags += more
    return copy
  }

  /// The same command with others below it.
  public func withSubcommands(_ commands: [Command]) -> Command {
    var copy = self
    copy.subcommands = commands
    return copy
  }
}

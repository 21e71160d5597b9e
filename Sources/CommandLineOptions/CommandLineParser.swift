/// Follows a command line word by word.
///
/// An own strict parser instead of getopt_long, whose process-wide state and silent abbreviations
/// suit neither parallel tests nor clear errors (decision 1); the grammar is getopt_long's:
/// `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-nVALUE`, switches bundled, `--` ends the flags,
/// and flags may stand anywhere behind the command that declares them.
struct CommandLineParser {
  /// What the words ask for.
  enum Outcome {
    case run(Arguments)
    case help(path: [Command])
    case version
  }

  let program: Command
  let environment: Environment
  private var commands: [Command]
  private var flags: [FlagDeclaration]
  private var given: [String: [String]] = [:]
  private var words: [String] = []

  init(program: Command, environment: Environment) {
    self.program = program
    self.environment = environment
    commands = [program]
    flags = program.flags.map(\.declaration)
  }

  mutating func parse(_ line: [String]) throws(UsageError) -> Outcome {
    var rest = line[...]
    var flagsEnded = false
    while let word = rest.popFirst() {
      if flagsEnded || word == "-" || !word.hasPrefix("-") {
        if let outcome = try takeWord(word, rest: rest) { return outcome }
      } else if word == "--" {
        flagsEnded = true
      } else if word == "--help" || word == "-h" {
        return .help(path: commands)
      } else if word == "--version" {
        return .version
      } else if word.hasPrefix("--") {
        try takeLongFlag(word.dropFirst(2), rest: &rest)
      } else {
        try takeShortFlags(word.dropFirst(), rest: &rest)
      }
    }
    return .run(try finish())
  }

  // MARK: Words

  /// A word without dashes: the next command, or an argument; non-nil when the line ends here.
  private mutating func takeWord(
    _ word: String, rest: ArraySlice<String>
  ) throws(UsageError) -> Outcome? {
    let current = commands[commands.count - 1]
    guard !current.subcommands.isEmpty else {
      words.append(word)
      return nil
    }
    if word == "help", commands.count == 1 { return .help(path: try helpPath(rest)) }
    try enter(word)
    return nil
  }

  private mutating func enter(_ word: String) throws(UsageError) {
    let current = commands[commands.count - 1]
    guard let next = current.subcommands.first(where: { $0.name == word }) else {
      let names = current.subcommands.map(\.name)
      let kind = commands.count == 1 ? "command" : "verb"
      throw UsageError(
        "\(title): unknown \(kind) \"\(Self.shown(word))\"\(Self.didYouMean(word, names)); "
          + "expected \(names.joined(separator: ", "))",
        hint: helpHint)
    }
    commands.append(next)
    flags += next.flags.map(\.declaration)
  }

  private mutating func helpPath(_ rest: ArraySlice<String>) throws(UsageError) -> [Command] {
    for word in rest where !word.hasPrefix("-") && !commands[commands.count - 1].subcommands.isEmpty
    {
      try enter(word)
    }
    return commands
  }

  // MARK: Flags

  private mutating func takeLongFlag(
    _ body: Substring, rest: inout ArraySlice<String>
  ) throws(UsageError) {
    let parts = body.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts[0])
    guard let flag = flags.last(where: { $0.name.long == name }) else {
      throw unknownFlag("--\(name)", candidates: flags.map { "--\($0.name.long)" })
    }
    let attached = parts.count == 2 ? String(parts[1]) : nil
    guard flag.placeholder != nil else {
      guard attached == nil else {
        throw UsageError("\(title): --\(name) takes no value", hint: helpHint)
      }
      return try record(flag, "1", as: "--\(name)")
    }
    let text = try value(attached, of: "--\(name)", flag, &rest)
    try record(flag, text, as: "--\(name)")
  }

  private mutating func takeShortFlags(
    _ letters: Substring, rest: inout ArraySlice<String>
  ) throws(UsageError) {
    var letters = letters
    while let letter = letters.popFirst() {
      guard let flag = flags.last(where: { $0.name.short == letter }) else {
        let known = flags.compactMap { flag in flag.name.short.map { "-\($0)" } }
        throw unknownFlag("-\(letter)", candidates: known)
      }
      if flag.placeholder == nil {
        try record(flag, "1", as: "-\(letter)")
        continue
      }
      let attached = letters.isEmpty ? nil : String(letters)
      let text = try value(attached, of: "-\(letter)", flag, &rest)
      return try record(flag, text, as: "-\(letter)")
    }
  }

  /// The attached text, else the next word; a word that looks like a flag means a forgotten value.
  private func value(
    _ attached: String?, of spelling: String, _ flag: FlagDeclaration,
    _ rest: inout ArraySlice<String>
  ) throws(UsageError) -> String {
    if let attached { return attached }
    guard let word = rest.first, !word.hasPrefix("--") else {
      throw UsageError(
        "\(title): \(spelling) needs a value: \(spelling) \(flag.placeholder ?? "VALUE")",
        hint: rest.isEmpty
          ? helpHint : "A value that begins with dashes is written --\(flag.name.long)=VALUE.")
    }
    rest.removeFirst()
    return word
  }

  private mutating func record(
    _ flag: FlagDeclaration, _ text: String, as spelling: String
  ) throws(UsageError) {
    let name = flag.name.long
    if given[name] != nil, !flag.isRepeatable, flag.placeholder != nil {
      throw UsageError("\(title): \(spelling) is given twice; it takes one value", hint: helpHint)
    }
    try check(flag, [text], source: spelling)
    given[name, default: []].append(text)
  }

  private func unknownFlag(_ spelling: String, candidates: [String]) -> UsageError {
    let near = Self.didYouMean(spelling, candidates + ["--help", "--version"])
    return UsageError("\(title): unknown flag \(Self.shown(spelling))\(near)", hint: helpHint)
  }

  // MARK: The end

  private func finish() throws(UsageError) -> Arguments {
    let command = commands[commands.count - 1]
    guard command.subcommands.isEmpty else {
      let names = command.subcommands.map(\.name).joined(separator: ", ")
      let kind = commands.count == 1 ? "a command" : "a verb"
      throw UsageError("\(title): expected \(kind): \(names)", hint: helpHint)
    }
    var arguments = Arguments()
    arguments.path = commands.dropFirst().map(\.name)
    for flag in flags {
      let name = flag.name.long
      if let texts = given[name] {
        arguments.flagValues[name] = try check(flag, texts, source: "--\(name)")
        arguments.givenFlags.insert(name)
      } else if let value = try environmentValue(flag) {
        arguments.flagValues[name] = value
        arguments.givenFlags.insert(name)
      } else {
        arguments.flagValues[name] = flag.defaultValue
      }
    }
    try assignWords(of: command, to: &arguments)
    return arguments
  }

  private func environmentValue(_ flag: FlagDeclaration) throws(UsageError) -> (any Sendable)? {
    guard let variable = flag.name.environment, let text = environment[variable] else { return nil }
    let texts =
      flag.isRepeatable
      ? text.split(separator: ",").map { String($0) } : [text]
    return try check(flag, texts, source: "environment variable \(variable)")
  }

  @discardableResult
  private func check(
    _ flag: FlagDeclaration, _ texts: [String], source: String
  ) throws(UsageError) -> any Sendable {
    do {
      return try flag.decode(texts)
    } catch {
      let got = texts.map { "\"\(Self.shown($0))\"" }.joined(separator: ", ")
      throw UsageError(
        "\(title): \(source): expected \(error.expected), got \(got)", hint: helpHint)
    }
  }

  private func assignWords(of command: Command, to arguments: inout Arguments) throws(UsageError) {
    var rest = words[...]
    for positional in command.positionals.map(\.declaration) {
      guard !rest.isEmpty else {
        switch positional.arity {
        case .one, .oneOrMore: throw missing(positional)
        case .oneOrNone, .any: break
        }
        arguments.positionalValues[positional.placeholder] = positional.defaultValue
        continue
      }
      let takesAll = positional.arity == .oneOrMore || positional.arity == .any
      let taken = takesAll ? Array(rest) : [rest[rest.startIndex]]
      rest = rest.dropFirst(taken.count)
      do {
        arguments.positionalValues[positional.placeholder] = try positional.decode(taken)
      } catch {
        throw UsageError(
          "\(title): \(positional.placeholder): expected \(error.expected), "
            + "got \"\(Self.shown(taken.joined(separator: " ")))\"",
          hint: helpHint)
      }
    }
    if let extra = rest.first {
      throw UsageError("\(title): unexpected argument \"\(Self.shown(extra))\"", hint: helpHint)
    }
  }

  // MARK: Words for errors

  private func missing(_ positional: PositionalDeclaration) -> UsageError {
    UsageError(
      "\(title): \(positional.placeholder) is missing: \(positional.help)", hint: helpHint)
  }

  private var title: String { commands.map(\.name).joined(separator: " ") }

  private var helpHint: String { "Try: \(title) --help" }

  private static func didYouMean(_ word: String, _ candidates: [String]) -> String {
    guard let near = Suggestions.nearest(to: word, among: candidates) else { return "" }
    return " (did you mean \(near)?)"
  }

  /// A word as an error may repeat it: bounded, and without control characters.
  private static func shown(_ word: String) -> String {
    let clean = word.unicodeScalars.map { scalar in
      scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) ? "\u{FFFD}" : String(scalar)
    }
    guard clean.count > 80 else { return clean.joined() }
    return clean.prefix(79).joined() + "…"
  }
}

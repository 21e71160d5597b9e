/// What is said about a word or flag that nobody knows at its place: what was meant, and what to
/// type instead.
struct LineMistakes {
  /// The commands named so far, the program first.
  let commands: [Command]
  /// The flags that are understood here.
  let flags: [FlagDeclaration]

  var title: String { commands.map(\.name).joined(separator: " ") }

  var helpHint: String { "Try: \(title) --help" }

  /// The first example of the command, then where help is.
  var exampleHint: String {
    guard let example = commands[commands.count - 1].examples.first else { return helpHint }
    return "For example: \(example.line)\n\(helpHint)"
  }

  // MARK: Words

  func unknown(word: String, rest: ArraySlice<String>) -> UsageError {
    let current = commands[commands.count - 1]
    if commands.count == 1, let error = verbFirst(word, rest) { return error }
    let names = current.subcommands.map(\.name)
    let kind = commands.count == 1 ? "command" : "verb"
    let near = Suggestions.nearest(to: word, among: names)
    return UsageError(
      "\(title): unknown \(kind) \"\(Self.shown(word))\"\(Self.didYouMean(word, names)); "
        + "expected \(names.joined(separator: ", "))",
      hint: near.map { "Try: \(corrected(words: [$0] + rest))" } ?? helpHint)
  }

  /// The line as far as the words name commands, `--help` behind it where they name no whole one.
  private func corrected(words: [String]) -> String {
    let path = path(named: words)
    let isWhole = path.last?.subcommands.isEmpty ?? false
    return ([title] + path.map(\.name)).joined(separator: " ") + (isWhole ? "" : " --help")
  }

  /// The commands below the present one that words name, others between them left out.
  private func path(named words: some Sequence<String>) -> [Command] {
    var path: [Command] = []
    for word in words {
      let below = (path.last ?? commands[commands.count - 1]).subcommands
      guard let next = below.first(where: { $0.name == word }) else { continue }
      path.append(next)
    }
    return path
  }

  /// A verb in the place of its noun: `list logs`, or `retry` alone.
  private func verbFirst(_ word: String, _ rest: ArraySlice<String>) -> UsageError? {
    let nouns = commands[0].subcommands
    let owners = nouns.filter { noun in noun.subcommands.contains { $0.name == word } }
    guard !owners.isEmpty else { return nil }
    let next = rest.first { !$0.hasPrefix("-") } ?? ""
    let named = Suggestions.nearest(to: next, among: nouns.map(\.name))
    let noun = owners.first { $0.name == named } ?? (owners.count == 1 ? owners[0] : nil)
    return UsageError(
      "\(title): \"\(word)\" is a verb of \(owners.map(\.name).joined(separator: ", ")) and stands "
        + "behind its noun",
      hint: "Try: \(title) \(noun?.name ?? "NOUN") \(word)")
  }

  // MARK: Flags

  func unknown(flag spelling: String, rest: ArraySlice<String>) -> UsageError {
    let message = "\(title): unknown flag \(Self.shown(spelling))"
    if let place = place(of: spelling, rest: rest) {
      return UsageError(
        "\(message); it is a flag of \(place) and stands behind the verb",
        hint: "Try: \(place) --help")
    }
    var candidates = ["--help", "--version"]
    for flag in flags {
      candidates.append("--\(flag.name.long)")
      if let short = flag.name.short { candidates.append("-\(short)") }
    }
    // A letter is never near another one: what it could mean is anybody's guess.
    let near = spelling.hasPrefix("--") ? Self.didYouMean(spelling, candidates) : ""
    return UsageError(message + near, hint: helpHint)
  }

  /// The command that the rest of the line names, if it has a flag spelt so, else the first one
  /// below the present one.
  private func place(of spelling: String, rest words: ArraySlice<String>) -> String? {
    let named = path(named: words)
    if let command = named.last, Self.has(spelling, command) {
      return ([title] + named.map(\.name)).joined(separator: " ")
    }
    var rest = commands[commands.count - 1].subcommands.map { [$0] }
    while !rest.isEmpty {
      let path = rest.removeFirst()
      let command = path[path.count - 1]
      if Self.has(spelling, command) {
        return ([title] + path.map(\.name)).joined(separator: " ")
      }
      rest += command.subcommands.map { path + [$0] }
    }
    return nil
  }

  private static func has(_ spelling: String, _ command: Command) -> Bool {
    command.flags.contains { flag in
      let name = flag.declaration.name
      return spelling == "--\(name.long)" || spelling == name.short.map { "-\($0)" }
    }
  }

  // MARK: Text

  private static func didYouMean(_ word: String, _ candidates: [String]) -> String {
    guard let near = Suggestions.nearest(to: word, among: candidates) else { return "" }
    return " (did you mean \(near)?)"
  }

  /// A word as an error may repeat it: bounded, and without control characters.
  static func shown(_ word: String) -> String {
    let clean = word.unicodeScalars.prefix(81).map { scalar in
      scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value) ? "\u{FFFD}" : String(scalar)
    }
    guard clean.count > 80 else { return clean.joined() }
    return clean.prefix(79).joined() + "…"
  }
}

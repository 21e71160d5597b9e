/// The place in an unfinished command line where a word is wanted: which words the declarations
/// offer, and which kind of value the program must look up.
///
/// It follows the words as the parser does but never fails: what is wrong before the cursor is for
/// the error of the whole line.
public struct CompletionPoint: Sendable {
  /// Words that the declarations list, in their order, not yet narrowed to what was typed.
  public private(set) var candidates: [CompletionCandidate] = []
  /// What the program must look up; nil: nothing.
  public private(set) var kind: CompletionKind?
  /// What stands of the word before the part that is completed: `--status=FAILED,`.
  public private(set) var prefix = ""
  /// The part of the word that is completed, as far as it was typed.
  public private(set) var typed = ""
  /// The commands that were named, below the program.
  public var path: [String] { commands.dropFirst().map(\.name) }

  private var commands: [Command]
  private var flags: [FlagDeclaration]
  private var words: [String] = []
  private var values: [(kind: CompletionKind?, flag: String, text: String)] = []

  /// The place behind `line`, whose last word is the unfinished one, perhaps empty.
  public init(_ root: Command, line: [String]) {
    commands = [root]
    flags = root.flags.map(\.declaration)
    guard let last = line.last else { return }
    let pending = follow(line.dropLast())
    offer(last, pending)
  }

  /// The value that the line gives a flag, if it gives one.
  public func value(of flag: any DeclaredFlag) -> String? {
    values.last { $0.flag == flag.declaration.name.long }?.text
  }

  /// The first value of a kind that stands on the line, in a flag or an argument.
  public func value(of kind: CompletionKind) -> String? {
    if let value = values.first(where: { $0.kind == kind }) { return value.text }
    let declared = commands[commands.count - 1].positionals.map(\.declaration)
    for (word, positional) in zip(words, declared) where positional.completion == kind {
      return word
    }
    return nil
  }

  // MARK: Before the cursor

  private enum Pending {
    case nothing
    /// The flag before the cursor waits for its value.
    case value(FlagDeclaration)
    /// Behind `--`.
    case flagsEnded
  }

  private mutating func follow(_ line: ArraySlice<String>) -> Pending {
    var rest = line
    while let word = rest.popFirst() {
      if word == "--" {
        rest.forEach { take($0) }
        return .flagsEnded
      }
      guard word.hasPrefix("-"), word != "-" else {
        take(word)
        continue
      }
      let (flag, attached) = flag(in: word)
      guard let flag, flag.placeholder != nil else { continue }
      if let attached {
        note(attached, of: flag)
      } else if flag.bareText != nil {
        continue
      } else if let next = rest.popFirst() {
        note(next, of: flag)
      } else {
        return .value(flag)
      }
    }
    return .nothing
  }

  private mutating func take(_ word: String) {
    let current = commands[commands.count - 1]
    guard !current.subcommands.isEmpty else { return words.append(word) }
    if word == "help" { return }
    guard let next = current.subcommands.first(where: { $0.name == word }) else { return }
    commands.append(next)
    flags += next.flags.map(\.declaration)
  }

  private mutating func note(_ text: String, of flag: FlagDeclaration) {
    let first = flag.isCommaList ? String(text.split(separator: ",").first ?? "") : text
    values.append((flag.completion, flag.name.long, first))
  }

  /// The flag that a word names, and the value that is attached to it.
  private func flag(in word: String) -> (FlagDeclaration?, attached: String?) {
    if word.hasPrefix("--") {
      let parts = word.dropFirst(2).split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let flag = flags.last { $0.name.long == parts[0] }
      return (flag, parts.count == 2 ? String(parts[1]) : nil)
    }
    var letters = word.dropFirst()
    while let letter = letters.popFirst() {
      guard let flag = flags.last(where: { $0.name.short == letter }) else { return (nil, nil) }
      if flag.placeholder != nil { return (flag, letters.isEmpty ? nil : String(letters)) }
    }
    return (nil, nil)
  }

  // MARK: At the cursor

  private mutating func offer(_ word: String, _ pending: Pending) {
    typed = word
    switch pending {
    case .value(let flag): return offerValues(of: flag)
    case .flagsEnded: return offerWord()
    case .nothing: break
    }
    guard word.hasPrefix("-") else { return offerWord() }
    if word.hasPrefix("--"), let sign = word.firstIndex(of: "=") {
      prefix = String(word[...sign])
      typed = String(word[word.index(after: sign)...])
      if let flag = flag(in: word).0, flag.placeholder != nil { offerValues(of: flag) }
      return
    }
    offerFlags()
  }

  private mutating func offerFlags() {
    let taken = Set(values.map(\.flag))
    candidates = flags.reversed().filter { $0.isRepeatable || !taken.contains($0.name.long) }
      .map { CompletionCandidate("--\($0.name.long)", $0.help) }
    candidates.append(CompletionCandidate("--help", "show this help"))
  }

  private mutating func offerValues(of flag: FlagDeclaration) {
    if flag.isCommaList, let comma = typed.lastIndex(of: ",") {
      prefix += String(typed[...comma])
      typed = String(typed[typed.index(after: comma)...])
    }
    offer(choices: flag.choices, flag.completion)
  }

  private mutating func offerWord() {
    let current = commands[commands.count - 1]
    guard current.subcommands.isEmpty else {
      candidates = current.subcommands.map { CompletionCandidate($0.name, $0.summary) }
      return
    }
    let declared = current.positionals.map(\.declaration)
    guard let last = declared.last else { return }
    if words.count < declared.count {
      offer(choices: declared[words.count].choices, declared[words.count].completion)
    } else if last.arity == .oneOrMore || last.arity == .any {
      offer(choices: last.choices, last.completion)
    }
  }

  private mutating func offer(choices: [String], _ kind: CompletionKind?) {
    candidates = choices.map { CompletionCandidate($0) }
    if choices.isEmpty { self.kind = kind }
  }
}

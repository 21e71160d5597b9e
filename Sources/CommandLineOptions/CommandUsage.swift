/// The usage line and the notes of flags, in which help and manual pages agree.
enum CommandUsage {
  /// `integrationctl logs show LOG_ID [FLAGS]`.
  static func line(_ path: [Command]) -> String {
    let command = path[path.count - 1]
    var parts = path.map(\.name)
    if !command.subcommands.isEmpty { parts.append(word(path)) }
    for positional in command.positionals.map(\.declaration) {
      switch positional.arity {
      case .one: parts.append(positional.placeholder)
      case .oneOrNone: parts.append("[\(positional.placeholder)]")
      case .any: parts.append("[\(positional.placeholder)...]")
      case .oneOrMore: parts.append("\(positional.placeholder)...")
      }
    }
    parts.append("[FLAGS]")
    return parts.joined(separator: " ")
  }

  /// What stands below a command in its usage line.
  static func word(_ path: [Command]) -> String { path.count == 1 ? "COMMAND" : "VERB" }

  /// `--limit N`, `--watch [INTERVAL]`.
  static func spelling(_ flag: FlagDeclaration) -> String {
    guard let placeholder = flag.placeholder else { return "--\(flag.name.long)" }
    return "--\(flag.name.long) " + (flag.bareText == nil ? placeholder : "[\(placeholder)]")
  }

  /// What is to know of a flag beside its sentence.
  static func notes(_ flag: FlagDeclaration) -> [String] {
    var notes: [String] = []
    if !flag.choices.isEmpty { notes.append("one of " + flag.choices.joined(separator: ", ")) }
    if flag.isRepeatable { notes.append("may repeat") }
    if let text = flag.bareText { notes.append("without a value: \(text)") }
    if let text = flag.defaultText { notes.append("default: \(text)") }
    if let variable = flag.name.environment { notes.append("env: \(variable)") }
    return notes
  }
}

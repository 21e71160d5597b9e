/// A command's manual page in the language of man(7), from the declarations that help shows.
///
/// The page of a program names its commands; the page of a noun holds all its verbs.
struct ManualPage {
  let path: [Command]
  let version: String

  private var command: Command { path[path.count - 1] }
  private var title: String { path.map(\.name).joined(separator: " ") }
  private var name: String { path.map(\.name).joined(separator: "-") }

  var fileName: String { "\(name).1" }

  var text: String {
    var lines = [
      ".\\\" Written by \(path[0].name) from its own declarations.",
      ".TH \(Roff.quoted(name.uppercased())) 1 \"\" \(Roff.quoted("\(path[0].name) \(version)")) "
        + Roff.quoted("Integration Manager"),
      ".SH NAME", "\(Roff.text(name)) \\- \(Roff.text(command.summary))",
      ".SH SYNOPSIS", ".B \(Roff.text(CommandUsage.line(path)))",
    ]
    if !command.discussion.isEmpty { lines += [".SH DESCRIPTION"] + Roff.paragraphs(command) }
    lines += positionals(of: command, heading: ".SH ARGUMENTS")
    lines += commands
    lines += flags(command.flags, heading: ".SH OPTIONS")
    let inherited = path.dropLast().flatMap(\.flags)
    lines += flags(inherited, heading: ".SH GENERAL OPTIONS")
    lines += environment
    lines += examples(of: command, heading: ".SH EXAMPLES")
    lines += seeAlso
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Sections

  /// What stands below: verbs whole, nouns as names of their own pages.
  private var commands: [String] {
    guard !command.subcommands.isEmpty else { return [] }
    if path.count > 1 { return [".SH VERBS"] + command.subcommands.flatMap(verb) }
    return [".SH COMMANDS"]
      + command.subcommands.flatMap { noun in
        [
          ".TP", ".B \(Roff.text(noun.name))",
          Roff.text(noun.summary)
            + (noun.subcommands.isEmpty
              ? ""
              : "; verbs: " + Roff.text(noun.subcommands.map(\.name).joined(separator: ", "))),
        ]
      }
      + command.subcommands.filter { $0.subcommands.isEmpty }.flatMap(verb)
  }

  private func verb(_ verb: Command) -> [String] {
    var lines = [
      ".SS \(Roff.quoted(CommandUsage.line(path + [verb])))", Roff.text(verb.summary) + ".",
    ]
    if !verb.discussion.isEmpty { lines += [".PP"] + Roff.paragraphs(verb) }
    lines += positionals(of: verb, heading: nil)
    lines += flags(verb.flags, heading: nil)
    return lines + examples(of: verb, heading: nil)
  }

  private func positionals(of command: Command, heading: String?) -> [String] {
    guard !command.positionals.isEmpty else { return [] }
    return (heading.map { [$0] } ?? [])
      + command.positionals.map(\.declaration).flatMap { positional in
        [".TP", ".I \(Roff.text(positional.placeholder))", Roff.text(positional.help)]
      }
  }

  private func flags(_ flags: [any DeclaredFlag], heading: String?) -> [String] {
    guard !flags.isEmpty else { return [] }
    return (heading.map { [$0] } ?? [])
      + flags.map(\.declaration).flatMap { flag in
        var spelling = flag.name.short.map { "\\fB\\-\($0)\\fR, " } ?? ""
        spelling += "\\fB\\-\\-\(Roff.text(flag.name.long))\\fR"
        if let placeholder = flag.placeholder {
          let shown = flag.bareText == nil ? placeholder : "[\(placeholder)]"
          spelling += " \\fI\(Roff.text(shown))\\fR"
        }
        let notes = CommandUsage.notes(flag)
        let about = flag.help + (notes.isEmpty ? "" : " [\(notes.joined(separator: "; "))]")
        return [".TP", spelling, Roff.text(about)]
      }
  }

  private var environment: [String] {
    let flags = path.flatMap(\.flags).map(\.declaration).filter { $0.name.environment != nil }
    guard !flags.isEmpty else { return [] }
    return [".SH ENVIRONMENT"]
      + flags.flatMap { flag in
        [
          ".TP", ".B \(Roff.text(flag.name.environment ?? ""))",
          "The same as \\fB\\-\\-\(Roff.text(flag.name.long))\\fR: \(Roff.text(flag.help)).",
        ]
      }
  }

  private func examples(of command: Command, heading: String?) -> [String] {
    guard !command.examples.isEmpty else { return [] }
    return [heading ?? ".PP"]
      + command.examples.flatMap { example in
        [
          ".PP", Roff.text(example.purpose) + ":", ".PP", ".nf", ".RS", Roff.text(example.line),
          ".RE", ".fi",
        ]
      }.dropFirst()
  }

  private var seeAlso: [String] {
    let pages =
      path.count > 1
      ? [path[0].name]
      : command.subcommands.filter { !$0.subcommands.isEmpty }.map { "\(name)-\($0.name)" }
    guard !pages.isEmpty else { return [] }
    return [".SH SEE ALSO", pages.map { "\\fB\(Roff.text($0))\\fR(1)" }.joined(separator: ",\n")]
  }
}

/// Text as roff reads it back unchanged.
enum Roff {
  /// Running text: characters that roff would read as its own are written as escapes.
  static func text(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\e"
      case "-": result += "\\-"
      case "'": result += "\\(aq"
      case "`": result += "\\(ga"
      case "^": result += "\\(ha"
      case "~": result += "\\(ti"
      case "\n": result += " "
      case _ where scalar.isASCII: result.unicodeScalars.append(scalar)
      default:
        let digits = String(scalar.value, radix: 16, uppercase: true)
        result += "\\[u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "]"
      }
    }
    // A line that begins with a dot would be a request.
    return result.hasPrefix(".") ? "\\&" + result : result
  }

  /// One argument of a request.
  static func quoted(_ text: String) -> String {
    "\""
      + Roff.text(text).split(separator: "\"", omittingEmptySubsequences: false)
      .joined(separator: "\\(dq") + "\""
  }

  /// The paragraphs of a command's discussion.
  static func paragraphs(_ command: Command) -> [String] {
    let paragraphs = command.discussion.split(separator: "\n")
    return Array(paragraphs.map { [text(String($0))] }.joined(separator: [".PP"]))
  }
}

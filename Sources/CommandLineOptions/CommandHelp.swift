/// The text of `--help`: examples first, then usage, what stands below, arguments and flags.
struct CommandHelp {
  let path: [Command]
  let width: Int

  private var command: Command { path[path.count - 1] }
  private var title: String { path.map(\.name).joined(separator: " ") }

  var text: String {
    var sections = ["\(title) - \(command.summary)"]
    if !command.examples.isEmpty { sections.append(exampleSection) }
    sections.append("Usage:\n  \(CommandUsage.line(path))")
    if !command.discussion.isEmpty {
      let paragraphs = command.discussion.split(separator: "\n", omittingEmptySubsequences: false)
      sections.append(paragraphs.map { wrap(String($0), indent: 0) }.joined(separator: "\n"))
    }
    if !command.subcommands.isEmpty {
      let rows = command.subcommands.map { ($0.name, $0.summary) }
      sections.append(table(path.count == 1 ? "Commands" : "Verbs", rows))
    }
    if !command.positionals.isEmpty {
      let rows = command.positionals.map(\.declaration).map { ($0.placeholder, $0.help) }
      sections.append(table("Arguments", rows))
    }
    sections.append(contentsOf: flagSections)
    if !command.subcommands.isEmpty {
      let word = path.count == 1 ? "COMMAND" : "VERB"
      sections.append("More: \(title) \(word) --help")
    }
    return sections.joined(separator: "\n\n") + "\n"
  }

  private var exampleSection: String {
    let lines = command.examples.map { "  # \($0.purpose)\n  \($0.line)" }
    return "Examples:\n" + lines.joined(separator: "\n")
  }

  private var flagSections: [String] {
    let always = [
      ("-h, --help", "show this help"),
      ("    --man", "print the manual page; to read it: \(title) --man | man -l -"),
      ("    --version", "show the version"),
    ]
    let own = command.flags.map { row($0.declaration) }
    guard path.count > 1 else { return [table("Flags", own + always)] }
    let inherited = path.dropLast().flatMap(\.flags).map { CommandUsage.spelling($0.declaration) }
    let general =
      "General flags, which \(path[0].name) --help explains:\n"
      + wrap(inherited.map(Self.unbroken).joined(separator: " "), indent: 2)
    return (own.isEmpty ? [] : [table("Flags", own)]) + [Self.broken(general)]
  }

  // A flag and its placeholder stay on one line: between them stands a space that is none to wrap.
  private static func unbroken(_ text: String) -> String {
    String(text.map { $0 == " " ? "\u{A0}" : $0 })
  }
  private static func broken(_ text: String) -> String {
    String(text.map { $0 == "\u{A0}" ? " " : $0 })
  }

  private func row(_ flag: FlagDeclaration) -> (String, String) {
    let left = flag.name.short.map { "-\($0), " } ?? "    "
    let notes = CommandUsage.notes(flag)
    return (
      left + CommandUsage.spelling(flag),
      flag.help + (notes.isEmpty ? "" : " [\(notes.joined(separator: "; "))]")
    )
  }

  private func table(_ heading: String, _ rows: [(String, String)]) -> String {
    let left = min(rows.map(\.0.count).max() ?? 0, 32)
    var text = "\(heading):"
    for (name, help) in rows {
      let body = wrap(help, indent: left + 4)
      if name.count > left {
        text += "\n  \(name)\n" + body
      } else {
        let padding = String(repeating: " ", count: left - name.count)
        text += "\n  \(name)\(padding)  \(body.drop(while: { $0 == " " }))"
      }
    }
    return text
  }

  /// Breaks at spaces so that no line is longer than the terminal, each line indented.
  private func wrap(_ paragraph: String, indent: Int) -> String {
    let margin = String(repeating: " ", count: indent)
    var lines: [String] = []
    var line = ""
    for word in paragraph.split(separator: " ") {
      if !line.isEmpty, indent + line.count + 1 + word.count > width {
        lines.append(margin + line)
        line = ""
      }
      line += line.isEmpty ? String(word) : " \(word)"
    }
    lines.append(line.isEmpty ? "" : margin + line)
    return lines.joined(separator: "\n")
  }
}

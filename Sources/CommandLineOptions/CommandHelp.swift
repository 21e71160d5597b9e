/// The text of `--help`: examples first, then usage, what stands below, arguments and flags.
struct CommandHelp {
  let path: [Command]
  let width: Int

  private var command: Command { path[path.count - 1] }
  private var title: String { path.map(\.name).joined(separator: " ") }

  var text: String {
    var sections = ["\(title) - \(command.summary)"]
    if !command.examples.isEmpty { sections.append(exampleSection) }
    sections.append("Usage:\n  \(usage)")
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

  private var usage: String {
    var parts = [title]
    if !command.subcommands.isEmpty { parts.append(path.count == 1 ? "COMMAND" : "VERB") }
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

  private var flagSections: [String] {
    let always = [("-h, --help", "show this help"), ("    --version", "show the version")]
    let own = command.flags.map { row($0.declaration) }
    guard path.count > 1 else { return [table("Flags", own + always)] }
    let inherited = path.dropLast().flatMap(\.flags).map { row($0.declaration) }
    let general = table("General flags", inherited + always)
    return own.isEmpty ? [general] : [table("Flags", own), general]
  }

  private func row(_ flag: FlagDeclaration) -> (String, String) {
    var left = flag.name.short.map { "-\($0), " } ?? "    "
    left += "--\(flag.name.long)"
    if let placeholder = flag.placeholder { left += " \(placeholder)" }
    var notes: [String] = []
    if !flag.choices.isEmpty { notes.append("one of " + flag.choices.joined(separator: ", ")) }
    if flag.isRepeatable { notes.append("may repeat") }
    if let text = flag.defaultText { notes.append("default: \(text)") }
    if let variable = flag.name.environment { notes.append("env: \(variable)") }
    return (left, flag.help + (notes.isEmpty ? "" : " [\(notes.joined(separator: "; "))]"))
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

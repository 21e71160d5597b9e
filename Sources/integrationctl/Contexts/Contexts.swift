import CommandLineOptions
import RPCWire

/// A server with a name, and the token for it.
struct ServerContext: Sendable, Equatable {
  let name: String
  let server: ListenAddress
  /// Nil where the server needs none, as on its own machine's Unix socket.
  let token: String?
}

/// All contexts of a user, in the order in which they were added.
struct Contexts: Sendable, Equatable {
  var entries: [ServerContext] = []
  /// The name of the one that is used when the command line names none.
  var current: String?

  subscript(name: String) -> ServerContext? { entries.first { $0.name == name } }

  /// Whether a name may be a context's: as names of integrations, so that no shell needs quotes.
  static func isName(_ text: String) -> Bool {
    (try? ValueForm<String>.name("NAME").parse(text)) != nil
  }
}

/// What is wrong with the text of a contexts file, and in which line.
struct ContextsFault: Error, Equatable, Sendable {
  let line: Int
  let message: String
}

extension Contexts {
  private static let heading = """
    # Servers that integrationctl knows; `integrationctl context` changes this file.
    # It holds tokens: nobody else may read it (mode 0600).

    """

  /// The text of the file: a line with the current name, then a section for each context.
  var text: String {
    var text = Self.heading
    if let current { text += "\ncurrent = \(current)\n" }
    for entry in entries {
      text += "\n[\(entry.name)]\nserver = \(entry.server)\n"
      if let token = entry.token { text += "token = \(token)\n" }
    }
    return text
  }

  /// Reads the text of a file; what it does not know is a fault, so that nothing is lost when the
  /// file is written again.
  init(text: String) throws(ContextsFault) {
    var section: Section?
    var number = 0
    var currentLine = 0
    for raw in text.split(separator: "\n", omittingEmptySubsequences: false) {
      number += 1
      let line = raw.trimmingSpaces
      if line.isEmpty || line.hasPrefix("#") { continue }
      if line.hasPrefix("[") {
        try add(section)
        section = try Section(line, number: number, known: entries + [section?.entry])
        continue
      }
      let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw ContextsFault(line: number, message: "expected [NAME], or KEY = VALUE")
      }
      let (key, value) = (parts[0].trimmingSpaces, parts[1].trimmingSpaces)
      if section != nil {
        try section?.take(key, value, line: number)
      } else if key == "current", Self.isName(value), current == nil {
        (current, currentLine) = (value, number)
      } else {
        throw ContextsFault(
          line: number, message: "expected current = NAME once, before the first [NAME]")
      }
    }
    try add(section)
    if let current, self[current] == nil {
      throw ContextsFault(line: currentLine, message: "the current context \(current) is not here")
    }
  }

  private mutating func add(_ section: Section?) throws(ContextsFault) {
    guard let section else { return }
    guard let entry = section.entry else {
      throw ContextsFault(line: section.line, message: "[\(section.name)] has no server = ADDRESS")
    }
    entries.append(entry)
  }

  /// A section while it is read.
  private struct Section {
    let name: String
    let line: Int
    var server: ListenAddress?
    var token: String?

    init(_ text: String, number: Int, known: [ServerContext?]) throws(ContextsFault) {
      name = String(text.dropFirst().dropLast())
      line = number
      guard text.hasSuffix("]"), Contexts.isName(name) else {
        throw ContextsFault(line: number, message: "expected [NAME] of a-z, 0-9, _, . and -")
      }
      if known.contains(where: { [name] in $0?.name == name }) {
        throw ContextsFault(line: number, message: "[\(name)] stands here twice")
      }
    }

    var entry: ServerContext? {
      server.map { ServerContext(name: name, server: $0, token: token) }
    }

    mutating func take(_ key: String, _ value: String, line: Int) throws(ContextsFault) {
      switch key {
      case "server" where server == nil:
        do throws(AddressError) {
          server = try ListenAddress(value)
        } catch {
          throw ContextsFault(line: line, message: "server: expected \(error.expected)")
        }
      case "token" where token == nil && !value.isEmpty: token = value
      case "server", "token":
        throw ContextsFault(line: line, message: "\(key) is given twice or is empty")
      default:
        throw ContextsFault(line: line, message: "expected server or token, not \"\(key)\"")
      }
    }
  }
}

extension StringProtocol {
  fileprivate var trimmingSpaces: String {
    let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" }
    let head = drop(while: isSpace)
    return String(head.reversed().drop(while: isSpace).reversed())
  }
}

import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `audit`: who changed what, and when.
enum AuditCommands {
  static let principal = Flag.value(
    "principal", .text("PRINCIPAL", maximumBytes: 256), default: "",
    help: "by whom: operator:alice, or alice")
  static let action = Flag.value(
    FlagName("action", short: "a"), .text("METHOD", maximumBytes: 256), default: "",
    help: "through which method: PauseIntegration, RevealKey")
  static let target = Flag.value(
    "target", .text("TARGET", maximumBytes: 256), default: "",
    help: "what was changed: integration/customsoft, or all of a kind: key")
  static let since = Flag.optional(
    "since", .time(), help: "at or after: 15m, 2d, 2026-11-24, 2026-11-24T08:30:00Z")
  static let until = Flag.optional("until", .time(), help: "before, likewise")

  static let noun = Noun(
    Command("audit", "who changed what, and when; nothing of it is ever removed").withExamples([
      CommandExample("integrationctl audit list --since 1d", "all changes of a day"),
      CommandExample(
        "integrationctl audit list --target integration/customsoft", "all changes of one thing"),
    ]), [list])

  static let list = Verb(
    Command(
      "list", "changes, the newest first",
      flags: [principal, action, target, since, until] + FilterFlags.paging + [FilterFlags.order]
    ).withExamples([
      CommandExample("integrationctl audit list --principal alice --since 2d", "what she did"),
      CommandExample("integrationctl audit list --target key -a RevealKey", "who saw a key"),
      CommandExample(
        "integrationctl audit list --since 2026-11-01 -n 100000 --order oldest -o csv",
        "a month for a spreadsheet"),
    ]).withDiscussion(
      "The table shows what differs between before and after; -o json has both whole."), .list
  ) { invocation in
    let arguments = invocation.arguments
    if let since = arguments[since], let until = arguments[until], since >= until {
      throw UsageError(
        "\(invocation.title): nothing happened at or after \(TimeText.rfc3339(since)) and before "
          + TimeText.rfc3339(until),
        hint: "Swap --since and --until, or leave one of them out.")
    }
    var request = ListAuditRequest()
    let name = arguments[principal]
    request.principal = name.isEmpty || name.contains(":") ? name : "operator:\(name)"
    request.action = arguments[action]
    request.target = arguments[target]
    request.since = arguments[since]?.timestamp
    request.until = arguments[until]?.timestamp
    request.oldestFirst = arguments[FilterFlags.order] == .oldest
    let wanted = request
    let client = try await invocation.client()
    let page = try await Page<AuditEntry>.fetch(arguments) { size, token throws(Failure) in
      var request = wanted
      request.pageSize = size
      request.pageToken = token
      let sent = request
      let reply = try await invocation.call(client) { client throws(RPCError) in
        try await client.listAudit(sent)
      }
      return Page(rows: reply.entries, nextToken: reply.nextPageToken)
    }
    try invocation.write(page, as: listing)
  }

  static let listing = Listing<AuditEntry>(
    table: Table(columns: [
      Column(number: "NO", .extra) { $0.number },
      Column("WHEN") { row, now in .ago(row.at, now) },
      Column("WHO") { row, _ in Cell(row.principal) },
      Column("FROM", .extra) { row, _ in Cell(row.from) },
      Column("ACTION") { row, _ in Cell(row.action) },
      Column("TARGET", cuttableTo: 16) { row, _ in Cell(row.target) },
      Column("CHANGE", .useful, cuttableTo: 16) { row, _ in Cell(AuditChange.words(row)) },
      Column("REASON", .useful, cuttableTo: 12) { row, _ in Cell(row.reason) },
    ]),
    csvPaths: [
      "number", "at", "principal", "from", "action", "target", "before", "after", "reason",
    ],
    empty: "No change matches.")
}

/// What an entry's before and after differ in, in one line.
enum AuditChange {
  /// `paused: false -> true`; all values of what was made.
  static func words(_ entry: AuditEntry) -> String {
    let before = members(entry.before)
    let after = members(entry.after)
    if before.isEmpty { return after.map { "\($0.name): \($0.value)" }.joined(separator: ", ") }
    if entry.after.isEmpty { return "gone" }
    var parts: [String] = []
    for member in after {
      let old = before.first { $0.name == member.name }?.value
      if old != member.value { parts.append("\(member.name): \(old ?? "-") -> \(member.value)") }
    }
    for member in before where !after.contains(where: { $0.name == member.name }) {
      parts.append("\(member.name): \(member.value) -> -")
    }
    return parts.joined(separator: ", ")
  }

  /// The members of a flat JSON object as the store writes it, in its order; none for other text.
  private static func members(_ json: String) -> [(name: String, value: String)] {
    var scanner = FlatObject(text: Array(json.utf8))
    return scanner.members() ?? []
  }
}

/// Reads a JSON object whose values people read as they stand: texts without their quotes, all else
/// as it is written.
private struct FlatObject {
  let text: [UInt8]
  var place = 0

  init(text: [UInt8]) { self.text = text }

  mutating func members() -> [(name: String, value: String)]? {
    guard take("{") else { return nil }
    var found: [(name: String, value: String)] = []
    while !take("}") {
      guard let name = string(), take(":"), let value = value() else { return nil }
      found.append((name, value))
      if !take(",") { return take("}") ? found : nil }
    }
    return found
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard place < text.count, text[place] == UInt8(ascii: character) else { return false }
    place += 1
    return true
  }

  private mutating func value() -> String? {
    if place < text.count, text[place] == UInt8(ascii: "\"") { return string() }
    let start = place
    var depth = 0
    while place < text.count {
      switch text[place] {
      case UInt8(ascii: "\""):
        guard string() != nil else { return nil }
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ","):
        if depth == 0 { return String(decoding: text[start..<place], as: UTF8.self) }
        if text[place] != UInt8(ascii: ",") { depth -= 1 }
      default: break
      }
      place += 1
    }
    return nil
  }

  private mutating func string() -> String? {
    guard take("\"") else { return nil }
    var bytes: [UInt8] = []
    while place < text.count {
      let byte = text[place]
      place += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: bytes, as: UTF8.self)
      case UInt8(ascii: "\\"):
        guard place < text.count else { return nil }
        let escaped = text[place]
        place += 1
        switch escaped {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(escaped)
        case UInt8(ascii: "u"): place = min(text.count, place + 4)
        default: bytes.append(UInt8(ascii: " "))
        }
      default: bytes.append(byte)
      }
    }
    return nil
  }
}

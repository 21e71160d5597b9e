import CommandLineOptions
import IntegrationAPI

/// The filter of every list, as one set of flags and one message.
enum FilterFlags {
  static let integration = Flag.commaList(
    FlagName("integration", short: "i"), .name("NAME").completed(with: .integrations),
    help: "of these integrations")
  static let action = Flag.commaList(
    FlagName("action", short: "a"), .name("TYPE").completed(with: .actions),
    help: "of these actions")
  static let status = Flag.commaList(
    "status", ValueForm<LogStatus>.apiChoice("STATUS"),
    help: "in one of these statuses")
  static let entityType = Flag.optional(
    "entity-type", .name("TYPE"), help: "about records of this type")
  static let entity = Flag.list(
    FlagName("entity", short: "e"), .entityID, help: "about these records")
  static let agent = Flag.commaList("agent", .name("AGENT"), help: "by these agents")
  static let trigger = Flag.commaList(
    "trigger", ValueForm<Trigger>.apiChoice("TRIGGER"),
    help: "that came about in one of these ways")
  static let since = Flag.optional(
    "since", .time(), help: "created at or after: 15m, 2d, 2026-11-24, 2026-11-24T08:30:00Z")
  static let until = Flag.optional("until", .time(), help: "created before, likewise")
  static let text = Flag.optional(
    "text", .text, help: "with this text in the message or the record's name, in any case")
  static let label = Flag.list(
    FlagName("label", short: "l"), .label, help: "with this label; all of them when repeated")

  static let handling = Flag.optional(
    "handling", ValueForm<Handling>.apiChoice("HANDLING"),
    help: "OPEN: without failures that somebody put right elsewhere; HANDLED: only those")

  static let limit = Flag.value(
    FlagName("limit", short: "n"), .integer(1...100_000), default: UInt32(50),
    help: "how many at most")
  static let pageToken = Flag.optional(
    "page-token", .text.named("TOKEN"), help: "where the page before this one ended")
  static let order = Flag.value(
    "order", ValueForm<ListOrder>.choice("ORDER"), default: .newest, help: "which come first")

  static let filter: [any DeclaredFlag] = [
    integration, action, status, entityType, entity, agent, trigger, since, until, text, label,
    handling,
  ]
  static let paging: [any DeclaredFlag] = [limit, pageToken]

  /// The filter that a command line describes; a usage error when nothing can match it.
  static func filter(of arguments: Arguments) throws(UsageError) -> LogFilter {
    if let since = arguments[since], let until = arguments[until], since >= until {
      throw UsageError(
        "integrationctl \(arguments.path.joined(separator: " ")): nothing is created at or after "
          + "\(TimeText.rfc3339(since)) and before \(TimeText.rfc3339(until))",
        hint: "Swap --since and --until, or leave one of them out.")
    }
    var filter = LogFilter()
    filter.integrations = arguments[integration]
    filter.actionTypes = arguments[action]
    filter.statuses = arguments[status]
    filter.entityType = arguments[entityType] ?? ""
    filter.entityIds = arguments[entity]
    filter.agentIds = arguments[agent]
    filter.triggers = arguments[trigger]
    filter.since = arguments[since]?.timestamp
    filter.until = arguments[until]?.timestamp
    filter.text = arguments[text] ?? ""
    filter.labels = try labels(of: arguments)
    filter.handling = arguments[handling] ?? .unspecified
    return filter
  }

  private static func labels(of arguments: Arguments) throws(UsageError) -> [String: String] {
    var labels: [String: String] = [:]
    for label in arguments[label] {
      if let other = labels.updateValue(label.value, forKey: label.key), other != label.value {
        throw UsageError(
          "integrationctl \(arguments.path.joined(separator: " ")): no log has the label "
            + "\(label.key) as both \(other) and \(label.value)",
          hint: "Give each label one value.")
      }
    }
    return labels
  }
}

extension FilterFlags {
  /// The flags that describe a filter, with absolute times, as a shell reads them.
  static func line(_ filter: LogFilter) -> String {
    var words: [String] = []
    func add(_ flag: any DeclaredFlag, _ value: String) {
      if !value.isEmpty { words += ["--\(flag.declaration.name.long)", ShellWord.quoted(value)] }
    }
    add(integration, filter.integrations.joined(separator: ","))
    add(action, filter.actionTypes.joined(separator: ","))
    add(status, filter.statuses.map(\.jsonName).joined(separator: ","))
    add(entityType, filter.entityType)
    for id in filter.entityIds { add(entity, id) }
    add(agent, filter.agentIds.joined(separator: ","))
    add(trigger, filter.triggers.map(\.jsonName).joined(separator: ","))
    add(since, filter.since.map { TimeText.rfc3339(WallTime($0)) } ?? "")
    add(until, filter.until.map { TimeText.rfc3339(WallTime($0)) } ?? "")
    add(text, filter.text)
    for (key, value) in filter.labels.sorted(by: { $0.key < $1.key }) {
      add(label, "\(key)=\(value)")
    }
    if filter.handling != .unspecified { add(handling, filter.handling.jsonName) }
    return words.joined(separator: " ")
  }
}

/// Words of a command line to copy.
enum ShellWord {
  /// The word as it is where a shell takes it so, else in quotes.
  static func quoted(_ word: String) -> String {
    let isPlain =
      !word.isEmpty
      && word.utf8.allSatisfy { byte in
        (97...122).contains(byte) || (65...90).contains(byte) || (48...57).contains(byte)
          || "_.-,:/=@+".utf8.contains(byte)
      }
    if isPlain { return word }
    return "'"
      + word.split(separator: "'", omittingEmptySubsequences: false).joined(
        separator: "'\\''") + "'"
  }
}

/// Which end of a list comes first.
enum ListOrder: String, CaseIterable, Sendable {
  case newest
  case oldest

  var order: Order {
    switch self {
    case .newest: .newestFirst
    case .oldest: .oldestFirst
    }
  }
}

extension LogStatus: NamedChoice {
  static var choices: [LogStatus] { allKnown.filter { $0 != .unspecified } }
  var choiceName: String { jsonName }
}

extension Handling: NamedChoice {
  static var choices: [Handling] { allKnown.filter { $0 != .unspecified } }
  var choiceName: String { jsonName }
}

extension Trigger: NamedChoice {
  static var choices: [Trigger] { allKnown.filter { $0 != .unspecified } }
  var choiceName: String { jsonName }
}

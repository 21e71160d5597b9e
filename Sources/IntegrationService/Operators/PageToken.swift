import IntegrationModel
import IntegrationStore
import RPCWire

/// The opaque tokens with which a list goes on: a letter for the kind of list, then its key.
enum PageToken {
  /// The place behind which a list of logs goes on.
  static func text(_ position: LogPosition) -> String {
    "l\(position.logID)\(String(position.integration, radix: 36))"
  }

  /// Reads the place back; nil for an empty token: from the beginning.
  static func position(_ token: String) throws(RPCError) -> LogPosition? {
    guard !token.isEmpty else { return nil }
    let body = token.dropFirst()
    guard token.utf8.count <= 64, token.first == "l", body.utf8.count > 36,
      let logID = LogID(String(body.prefix(36))),
      let integration = Int64(body.dropFirst(36), radix: 36)
    else { throw invalid("page_token") }
    return LogPosition(logID: logID, integration: integration)
  }

  /// The place behind which a tail goes on.
  static func text(_ place: ChangePlace) -> String {
    let numbers = [place.journal, place.commit, place.entry]
    return "t" + numbers.map { String($0, radix: 36) }.joined(separator: ".")
  }

  /// Reads the place back; nil for an empty token.
  static func place(_ token: String) throws(RPCError) -> ChangePlace? {
    guard !token.isEmpty else { return nil }
    let parts = token.dropFirst().split(separator: ".", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int64($0, radix: 36) }.filter { $0 >= 0 }
    guard token.utf8.count <= 64, token.first == "t", parts.count == 3, numbers.count == 3 else {
      throw invalid("resume_token")
    }
    return ChangePlace(journal: numbers[0], commit: numbers[1], entry: numbers[2])
  }

  /// The name behind which a list of integrations goes on.
  static func text(name: String) -> String { "n\(name)" }

  /// Reads the name back; nil for an empty token.
  static func name(_ token: String) throws(RPCError) -> String? {
    guard !token.isEmpty else { return nil }
    let name = String(token.dropFirst())
    guard token.first == "n", FieldRules.complaint(name: name) == nil else {
      throw invalid("page_token")
    }
    return name
  }

  /// What a list of things within integrations shows.
  enum Listed: Character {
    case agents = "g"
    case actions = "a"
  }

  /// The place behind which a list of agents or actions goes on.
  struct Place {
    var integration: String
    var name: String
  }

  /// The place behind which a list of things within integrations goes on.
  static func text(_ listed: Listed, _ place: Place) -> String {
    "\(listed.rawValue)\(place.integration)/\(place.name)"
  }

  /// Reads the place back; nil for an empty token.
  static func place(_ token: String, in listed: Listed) throws(RPCError) -> Place? {
    guard !token.isEmpty else { return nil }
    let names = token.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
      .map(String.init)
    guard token.first == listed.rawValue, names.count == 2,
      names.allSatisfy({ FieldRules.complaint(name: $0) == nil })
    else { throw invalid("page_token") }
    return Place(integration: names[0], name: names[1])
  }

  /// The number behind which a list of record errors goes on.
  static func text(number: Int64) -> String { "e\(number)" }

  /// Reads the number back; 0 for an empty token.
  static func number(_ token: String) throws(RPCError) -> Int64 {
    guard !token.isEmpty else { return 0 }
    guard token.first == "e", let number = Int64(token.dropFirst()), number >= 0 else {
      throw invalid("error_page_token")
    }
    return number
  }

  /// The entry of the audit behind which a list goes on, in its order.
  static func text(auditNumber: Int64, isOldestFirst: Bool) -> String {
    "\(isOldestFirst ? "a" : "d")\(auditNumber)"
  }

  /// Reads the entry's number back; nil for an empty token.
  static func auditNumber(_ token: String, isOldestFirst: Bool) throws(RPCError) -> Int64? {
    guard !token.isEmpty else { return nil }
    guard token.utf8.count <= 20, token.first == (isOldestFirst ? "a" : "d"),
      let number = Int64(token.dropFirst()), number > 0
    else { throw invalid("page_token") }
    return number
  }

  static func invalid(_ field: String) -> RPCError {
    RPCError(
      .invalidArgument,
      "the page token is not one that this list gave: begin again without one",
      reason: Reason.pageTokenInvalid,
      violations: [FieldViolation(field: field, description: "expected the token of a page")])
  }
}

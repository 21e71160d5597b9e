/// The JSON Schema that an action declares for the input of its requests.
///
/// The keywords that forms need are checked: `type`, `properties`, `required`,
/// `additionalProperties`, `items`, `enum`, `const`, `minimum`, `maximum`, `minLength`,
/// `maxLength`, `minItems`, `maxItems`. Others (`title`, `format`, `pattern`, …) describe and are
/// not checked, as the standard allows for annotations; the agent remains the last judge.
struct InputSchema: Sendable {
  private let root: JSONValue

  /// One thing in an input that the schema does not allow.
  struct Violation: Equatable, Sendable {
    /// Where: `input`, `input.lines[2].quantity`.
    let path: String
    let description: String
  }

  /// How many violations are named at most: more help nobody.
  static let maximumViolations = 20

  /// Reads a schema; throws what is wrong with it, in words.
  init(_ text: String) throws(JSONFault) {
    root = try JSONParser.parse(text)
    switch root {
    case .object, .bool: break
    default: throw JSONFault(offset: 0, problem: "a schema is an object")
    }
  }

  /// What an input violates; empty: it is allowed.
  ///
  /// An empty text stands for no input and is checked as `{}`, so that a schema without required
  /// names allows it.
  func violations(of input: String) -> [Violation] {
    let value: JSONValue
    do {
      value = try JSONParser.parse(input.isEmpty ? "{}" : input)
    } catch {
      return [Violation(path: "input", description: error.description)]
    }
    var found: [Violation] = []
    check(value, against: root, path: "input", into: &found)
    return Array(found.prefix(Self.maximumViolations))
  }

  private func check(
    _ value: JSONValue, against schema: JSONValue, path: String, into found: inout [Violation]
  ) {
    guard found.count < Self.maximumViolations else { return }
    guard case .object(let rules) = schema else {
      if schema == .bool(false) {
        found.append(Violation(path: path, description: "nothing is allowed here"))
      }
      return
    }
    if let expected = rules["type"], !Self.fits(value, expected) {
      found.append(
        Violation(
          path: path,
          description: "expected \(Self.names(expected)), got \(value.kindName)"))
      return
    }
    checkChoice(value, rules, path, &found)
    switch value {
    case .object(let members): checkObject(members, rules, path, &found)
    case .array(let items): checkArray(items, rules, path, &found)
    case .string(let text): checkLength(text.unicodeScalars.count, "Length", rules, path, &found)
    case .number(let number): checkRange(number, rules, path, &found)
    case .null, .bool: break
    }
  }

  private func checkChoice(
    _ value: JSONValue, _ rules: [String: JSONValue], _ path: String, _ found: inout [Violation]
  ) {
    if case .array(let choices)? = rules["enum"], !choices.contains(value) {
      let known = choices.prefix(10).map(Self.shown).joined(separator: ", ")
      found.append(Violation(path: path, description: "expected one of \(known)"))
    }
    if let only = rules["const"], only != value {
      found.append(Violation(path: path, description: "expected \(Self.shown(only))"))
    }
  }

  private func checkObject(
    _ members: [String: JSONValue], _ rules: [String: JSONValue], _ path: String,
    _ found: inout [Violation]
  ) {
    if case .array(let names)? = rules["required"] {
      for case .string(let name) in names where members[name] == nil {
        found.append(Violation(path: "\(path).\(name)", description: "required, but missing"))
      }
    }
    var properties: [String: JSONValue] = [:]
    if case .object(let declared)? = rules["properties"] { properties = declared }
    for (name, member) in members.sorted(by: { $0.key < $1.key }) {
      if let rule = properties[name] {
        check(member, against: rule, path: "\(path).\(name)", into: &found)
      } else if let rest = rules["additionalProperties"] {
        if rest == .bool(false) {
          found.append(Violation(path: "\(path).\(name)", description: "not declared"))
        } else {
          check(member, against: rest, path: "\(path).\(name)", into: &found)
        }
      }
    }
  }

  private func checkArray(
    _ items: [JSONValue], _ rules: [String: JSONValue], _ path: String,
    _ found: inout [Violation]
  ) {
    checkLength(items.count, "Items", rules, path, &found)
    guard let rule = rules["items"] else { return }
    for (index, item) in items.enumerated() {
      check(item, against: rule, path: "\(path)[\(index)]", into: &found)
    }
  }

  private func checkLength(
    _ count: Int, _ what: String, _ rules: [String: JSONValue], _ path: String,
    _ found: inout [Violation]
  ) {
    let unit = what == "Items" ? "items" : "characters"
    if case .number(let least)? = rules["min\(what)"], Double(count) < least {
      found.append(
        Violation(path: path, description: "at least \(Self.shown(least)) \(unit), got \(count)"))
    }
    if case .number(let most)? = rules["max\(what)"], Double(count) > most {
      found.append(
        Violation(path: path, description: "at most \(Self.shown(most)) \(unit), got \(count)"))
    }
  }

  private func checkRange(
    _ number: Double, _ rules: [String: JSONValue], _ path: String, _ found: inout [Violation]
  ) {
    if case .number(let least)? = rules["minimum"], number < least {
      found.append(
        Violation(
          path: path,
          description: "at least \(Self.shown(least)), got \(Self.shown(number))"))
    }
    if case .number(let most)? = rules["maximum"], number > most {
      found.append(
        Violation(
          path: path, description: "at most \(Self.shown(most)), got \(Self.shown(number))"))
    }
  }
}

// MARK: - Words

extension InputSchema {
  private static func fits(_ value: JSONValue, _ expected: JSONValue) -> Bool {
    switch expected {
    case .string(let name):
      value.kindName == name || (name == "number" && value.kindName == "integer")
    case .array(let names): names.contains { fits(value, $0) }
    default: true
    }
  }

  private static func names(_ expected: JSONValue) -> String {
    switch expected {
    case .string(let name): name
    case .array(let names): names.map(Self.names).joined(separator: " or ")
    default: "any value"
    }
  }

  private static func shown(_ number: Double) -> String {
    Int64(exactly: number).map { "\($0)" } ?? "\(number)"
  }

  private static func shown(_ value: JSONValue) -> String {
    switch value {
    case .null: "null"
    case .bool(let bool): "\(bool)"
    case .number(let number): shown(number)
    case .string(let text): "\"\(text)\""
    case .array: "an array"
    case .object: "an object"
    }
  }
}

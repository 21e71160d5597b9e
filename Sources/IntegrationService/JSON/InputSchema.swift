/// The JSON Schema that an action declares for the input of its requests.
///
/// These keywords are checked: `type`, `enum`, `const`, `minimum`, `maximum`, `exclusiveMinimum`,
/// `exclusiveMaximum`, `multipleOf`, `minLength`, `maxLength`, `minItems`, `maxItems`,
/// `uniqueItems`, `items`, `required`, `properties`, `additionalProperties`, `minProperties`,
/// `maxProperties`, `anyOf`, `oneOf`, `allOf`, `not`, and `$ref` within the schema. Others
/// (`title`, `format`, `pattern`, …) describe and are not checked, as the standard allows for
/// annotations; the agent remains the last judge. See decision 6.
struct InputSchema: Sendable {
  let root: JSONValue

  /// One thing in an input that the schema does not allow.
  struct Violation: Equatable, Sendable {
    /// Where: `input`, `input.lines[2].quantity`.
    let path: String
    let description: String
  }

  /// How many violations are named at most: more help nobody.
  static let maximumViolations = 20
  /// How many values are compared with rules at most, so that no schema makes an input expensive.
  static let maximumSteps = 200_000
  /// How deep rules may stand in rules, references followed.
  static let maximumDepth = 128

  /// Reads a schema; throws what is wrong with it and where.
  init(_ text: String) throws(SchemaFault) {
    do throws(JSONFault) {
      root = try JSONParser.parse(text)
    } catch {
      throw SchemaFault(place: "#", problem: error.description)
    }
    let faults = SchemaFaults(root).found
    if let first = faults.first {
      throw SchemaFault(place: first.place, problem: first.problem, more: faults.count - 1)
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
    var check = InputChecking(root)
    check.check(value, against: root, path: "input", depth: 0)
    guard !check.isSpent else {
      return [Violation(path: "input", description: "the schema takes too long to check it")]
    }
    return Array(check.found.prefix(Self.maximumViolations))
  }
}

/// One pass over an input: what it violates so far, and how much it may still cost.
struct InputChecking {
  typealias Violation = InputSchema.Violation

  private let root: JSONValue
  private(set) var found: [Violation] = []
  private var steps = 0
  /// Whether it costs too much to go on.
  private(set) var isSpent = false

  init(_ root: JSONValue) { self.root = root }

  private var isFull: Bool { found.count >= InputSchema.maximumViolations || isSpent }

  private mutating func note(_ path: String, _ description: String) {
    found.append(Violation(path: path, description: description))
  }

  mutating func check(
    _ value: JSONValue, against schema: JSONValue, path: String, depth: Int
  ) {
    guard !isFull else { return }
    steps += 1
    guard steps <= InputSchema.maximumSteps, depth <= InputSchema.maximumDepth else {
      isSpent = true
      return
    }
    guard case .object(let rules) = schema else {
      if schema == .bool(false) { note(path, "nothing is allowed here") }
      return
    }
    if case .string(let reference)? = rules["$ref"],
      let target = SchemaReference.target(reference, in: root)
    {
      check(value, against: target, path: path, depth: depth + 1)
    }
    if let expected = rules["type"], !Self.fits(value, expected) {
      return note(path, "expected \(Self.names(expected)), got \(value.kindName)")
    }
    checkChoice(value, rules, path)
    checkForms(value, rules, path, depth)
    switch value {
    case .object(let members): checkObject(members, rules, path, depth)
    case .array(let items): checkArray(items, rules, path, depth)
    case .string(let text):
      checkCount(text.unicodeScalars.count, "Length", "characters", rules, path)
    case .number(let number): checkRange(number, rules, path)
    case .null, .bool: break
    }
  }

  private mutating func checkChoice(
    _ value: JSONValue, _ rules: [String: JSONValue], _ path: String
  ) {
    if case .array(let choices)? = rules["enum"], !choices.contains(value) {
      let known = choices.prefix(10).map(Self.shown).joined(separator: ", ")
      note(path, "expected one of \(known)")
    }
    if let only = rules["const"], only != value { note(path, "expected \(Self.shown(only))") }
  }

  // MARK: - Forms

  private mutating func checkForms(
    _ value: JSONValue, _ rules: [String: JSONValue], _ path: String, _ depth: Int
  ) {
    for rule in Self.list(rules["allOf"]) {
      check(value, against: rule, path: path, depth: depth + 1)
    }
    let any = Self.list(rules["anyOf"])
    if !any.isEmpty {
      let missed = any.map { misses(value, $0, path, depth) }
      if !missed.contains(where: \.isEmpty) { noteNearest(missed, path) }
    }
    let one = Self.list(rules["oneOf"])
    if !one.isEmpty {
      let missed = one.map { misses(value, $0, path, depth) }
      let fitting = missed.count(where: \.isEmpty)
      if fitting == 0 { noteNearest(missed, path) }
      if fitting > 1 { note(path, "fits \(fitting) of \(one.count) forms; expected exactly one") }
    }
    if let rule = rules["not"], misses(value, rule, path, depth).isEmpty {
      note(path, "has a form that is not allowed")
    }
  }

  /// What a value violates of one form, which is no violation yet.
  private mutating func misses(
    _ value: JSONValue, _ rule: JSONValue, _ path: String, _ depth: Int
  ) -> [Violation] {
    guard !isFull else { return [] }
    let before = found
    found = []
    defer { found = before }
    check(value, against: rule, path: path, depth: depth + 1)
    return found
  }

  private mutating func noteNearest(_ misses: [[Violation]], _ path: String) {
    guard let nearest = misses.min(by: { $0.count < $1.count })?.first else { return }
    let place = nearest.path == path ? "" : "\(nearest.path): "
    note(
      path,
      "fits none of \(misses.count) forms; the nearest fails with: \(place)"
        + nearest.description)
  }

  // MARK: - Contents

  private mutating func checkObject(
    _ members: [String: JSONValue], _ rules: [String: JSONValue], _ path: String, _ depth: Int
  ) {
    checkCount(members.count, "Properties", "names", rules, path)
    if case .array(let names)? = rules["required"] {
      for case .string(let name) in names where members[name] == nil {
        note("\(path).\(name)", "required, but missing")
      }
    }
    var properties: [String: JSONValue] = [:]
    if case .object(let declared)? = rules["properties"] { properties = declared }
    for (name, member) in members.sorted(by: { $0.key < $1.key }) {
      if let rule = properties[name] {
        check(member, against: rule, path: "\(path).\(name)", depth: depth + 1)
      } else if let rest = rules["additionalProperties"] {
        if rest == .bool(false) {
          note("\(path).\(name)", "not declared")
        } else {
          check(member, against: rest, path: "\(path).\(name)", depth: depth + 1)
        }
      }
    }
  }

  private mutating func checkArray(
    _ items: [JSONValue], _ rules: [String: JSONValue], _ path: String, _ depth: Int
  ) {
    checkCount(items.count, "Items", "items", rules, path)
    if rules["uniqueItems"] == .bool(true) {
      var seen: Set<JSONValue> = []
      for (index, item) in items.enumerated() where !seen.insert(item).inserted {
        note("\(path)[\(index)]", "expected each item once; this one is there before")
        break
      }
    }
    guard let rule = rules["items"] else { return }
    for (index, item) in items.enumerated() {
      if isFull { return }
      check(item, against: rule, path: "\(path)[\(index)]", depth: depth + 1)
    }
  }

  private mutating func checkCount(
    _ count: Int, _ what: String, _ unit: String, _ rules: [String: JSONValue], _ path: String
  ) {
    if case .number(let least)? = rules["min\(what)"], Double(count) < least {
      note(path, "at least \(Self.shown(least)) \(unit), got \(count)")
    }
    if case .number(let most)? = rules["max\(what)"], Double(count) > most {
      note(path, "at most \(Self.shown(most)) \(unit), got \(count)")
    }
  }

  private mutating func checkRange(
    _ number: Double, _ rules: [String: JSONValue], _ path: String
  ) {
    let got = "got \(Self.shown(number))"
    if case .number(let least)? = rules["minimum"], number < least {
      note(path, "at least \(Self.shown(least)), \(got)")
    }
    if case .number(let most)? = rules["maximum"], number > most {
      note(path, "at most \(Self.shown(most)), \(got)")
    }
    if case .number(let bound)? = rules["exclusiveMinimum"], number <= bound {
      note(path, "more than \(Self.shown(bound)), \(got)")
    }
    if case .number(let bound)? = rules["exclusiveMaximum"], number >= bound {
      note(path, "less than \(Self.shown(bound)), \(got)")
    }
    if case .number(let step)? = rules["multipleOf"], !Self.isMultiple(number, of: step) {
      note(path, "a multiple of \(Self.shown(step)), \(got)")
    }
  }
}

// MARK: - Words

extension InputChecking {
  /// Whether a number is a multiple as people write both: 19.99 is one of 0.01, though neither is
  /// exact in binary.
  private static func isMultiple(_ number: Double, of step: Double) -> Bool {
    let quotient = number / step
    return abs(quotient - quotient.rounded()) <= abs(quotient) * 2 * .ulpOfOne
  }

  private static func list(_ value: JSONValue?) -> [JSONValue] {
    if case .array(let items)? = value { items } else { [] }
  }

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

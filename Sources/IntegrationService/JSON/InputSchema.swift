/// The JSON Schema that an action declares for the input of its requests.
///
/// These keywords are checked: `type`, `enum`, `const`, `minimum`, `maximum`, `exclusiveMinimum`,
/// `exclusiveMaximum`, `multipleOf`, `minLength`, `maxLength`, `minItems`, `maxItems`,
/// `uniqueItems`, `items`, `required`, `properties`, `additionalProperties`, `minProperties`,
/// `maxProperties`, `anyOf`, `oneOf`, `allOf`, `not`, and `$ref` within the schema. Others
/// (`title`, `format`, `pattern`, …) describe and are not checked, as the standard allows for
/// annotations; the agent remains the last judge. See decision 6.
struct InputSchema: Sendable {
  private let rules: SchemaRules

  /// One thing in an input that the schema does not allow.
  struct Violation: Equatable, Sendable {
    /// Where: `input`, `input.lines[2].quantity`.
    let path: String
    let description: String
  }

  /// How many violations are named at most: more help nobody.
  static let maximumViolations = 20
  /// How much work a check may be whatever the input is, in steps of `InputChecking`: some 2 ms.
  ///
  /// A form of a hundred fields against ten alternatives takes a few thousand.
  static let maximumSteps = 50_000
  /// How many steps more each byte of the input justifies: a list of one-digit numbers with bounds
  /// takes three.
  static let stepsPerByte = 4
  /// How deep rules may stand in rules, references followed.
  static let maximumDepth = 128

  /// Reads a schema; throws what is wrong with it and where.
  init(_ text: String) throws(SchemaFault) {
    rules = SchemaRules(try Self.judged(text))
  }

  /// Throws what is wrong with a schema and where.
  static func judge(_ text: String) throws(SchemaFault) { _ = try judged(text) }

  private static func judged(_ text: String) throws(SchemaFault) -> JSONValue {
    let root: JSONValue
    do throws(JSONFault) {
      root = try JSONParser.parse(text)
    } catch {
      throw SchemaFault(place: "#", problem: error.description)
    }
    let faults = SchemaFaults(root).found
    if let first = faults.first {
      throw SchemaFault(place: first.place, problem: first.problem, more: faults.count - 1)
    }
    return root
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
    let check = check(value, bytes: input.utf8.count)
    guard !check.isSpent else {
      return [Violation(path: "input", description: "the schema takes too long to check it")]
    }
    return check.found.prefix(Self.maximumViolations).map(\.violation)
  }

  /// Goes over an input of so many bytes.
  func check(_ value: JSONValue, bytes: Int) -> InputChecking {
    var check = InputChecking(
      rules, maximumSteps: Self.maximumSteps + Self.stepsPerByte * bytes)
    check.check(value, rules.root)
    return check
  }
}

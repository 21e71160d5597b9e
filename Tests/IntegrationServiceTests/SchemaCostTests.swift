import IntegrationAPI
import Testing

@testable import IntegrationService

@Suite("What a schema may cost")
struct SchemaCostTests {
  private static func list(_ item: String, _ count: Int) -> String {
    Array(repeating: item, count: count).joined(separator: ",")
  }

  /// A schema that asks the same thing very often.
  private static func often(_ rule: String, _ times: Int = 2_000) -> String {
    let again = list("{\"$ref\":\"#/$defs/m\"}", times)
    let once = list("{\"$ref\":\"#/$defs/e\"}", times)
    return "{\"$defs\":{\"e\":\(rule),\"m\":{\"allOf\":[\(once)]}},\"allOf\":[\(again)]}"
  }

  private static let long = String(repeating: "a", count: 8_000)
  private static let deep = (0..<40).reduce("{\"type\":\"object\"}") { inner, _ in
    "{\"not\":\(inner)}"
  }

  static let costly: [(schema: String, input: String)] = [
    (often("{\"enum\":[\(list("1", 30_000)),{}]}"), ""),
    (often("{\"const\":[\(list("1", 20_000))]}", 200), "[\(list("1", 20_000))]"),
    (often("{\"not\":{\"required\":[\(list("\"a\"", 30_000))]}}"), "{\"a\":1}"),
    (often("{\"type\":[\(list("\"string\"", 10_000)),\"object\"]}"), ""),
    (often("{\"oneOf\":[{},\(list("{\"type\":\"string\"}", 6_000))]}"), ""),
    (often("{\"minLength\":1}"), "\"\(long)\""),
    (often("{\"enum\":[\"\(long)\",\"b\"]}"), "\"\(long)\""),
    (often("{\"additionalProperties\":{}}"), "{\"a\":1,\"b\":2,\"c\":3}"),
    (often("{\"properties\":{\"\(long)\":{}}}"), "{\"\(long)\":1}"),
    (often("{\"uniqueItems\":true}"), "[1,2,[3,\"\(long)\"]]"),
    (often("{\"multipleOf\":0.01,\"minimum\":1,\"maximum\":9}"), "2"), (often(deep), ""),
    (
      "{\"$defs\":{\"e\":{\"required\":[\(list("\"x\"", 20))]}},"
        + "\"anyOf\":[\(list("{\"$ref\":\"#/$defs/e\"}", 6_000))]}", ""
    ),
  ]

  @Test("A check that takes too many steps is refused", arguments: costly.indices)
  func tooLong(index: Int) throws {
    let (schema, input) = Self.costly[index]
    let read = try InputSchema(schema)
    #expect(
      read.violations(of: input).map(\.description) == [
        "the schema takes too long to check it"
      ])
    // What is too much is counted, and not done.
    let check = read.check(try JSONParser.parse(input.isEmpty ? "{}" : input), bytes: 0)
    #expect(check.isSpent && check.steps <= InputSchema.maximumSteps + 30_000)
  }

  @Test("The choices of an enum cost nothing, however many they are")
  func manyChoices() throws {
    let codes = (0..<20_000).map { "\"C\($0)\"" }
    let schema = try InputSchema("{\"items\":{\"enum\":[\(codes.joined(separator: ","))]}}")
    #expect(schema.violations(of: "[\(codes.joined(separator: ","))]").isEmpty)
    #expect(schema.violations(of: "[\"C1\",\"C20000\"]").map(\.path) == ["input[1]"])
  }

  @Test("An object of a schema is read once, however often it is referred to")
  func readOnce() throws {
    // Each level refers to the next one twice: written out it would have 2^40 rules.
    let levels = (0..<40).map { level in
      "\"l\(level)\":{\"properties\":{\"a\":{\"$ref\":\"#/$defs/l\(level + 1)\"},"
        + "\"b\":{\"$ref\":\"#/$defs/l\(level + 1)\"}}}"
    }
    let schema = try InputSchema(
      "{\"$defs\":{\(levels.joined(separator: ",")),\"l40\":{\"type\":\"null\"}},"
        + "\"$ref\":\"#/$defs/l38\"}")
    #expect(schema.violations(of: "{\"a\":{\"b\":1}}").map(\.path) == ["input.a.b"])
  }

  static let order = """
    {"type": "object", "required": ["lines", "customer"], "additionalProperties": false,
      "$defs": {"line": {"type": "object", "additionalProperties": false,
        "required": ["sku", "quantity", "price"], "properties": {
          "sku": {"type": "string", "minLength": 1, "maxLength": 40},
          "quantity": {"type": "integer", "minimum": 1, "maximum": 10000},
          "price": {"type": "number", "multipleOf": 0.01},
          "unit": {"enum": ["kg", "g", "l", "ml", "m", "cm", "box", "pair", "set", "piece"]},
          "note": {"anyOf": [{"type": "string", "maxLength": 200}, {"type": "null"}]}}}},
      "properties": {"customer": {"type": "string"},
        "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/line"}}}}
    """

  @Test("The longest inputs pass: thousands of order lines, and a list of short numbers")
  func longInputs() throws {
    let line =
      "{\"sku\":\"A-1042\",\"quantity\":3,\"price\":19.99,\"unit\":\"piece\",\"note\":null}"
    let lines = "{\"customer\":\"x\",\"lines\":[\(Self.list(line, 3_500))]}"
    #expect(try InputSchema(Self.order).violations(of: lines).isEmpty)
    let digits = try InputSchema(
      "{\"items\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":9},\"uniqueItems\":false}")
    #expect(digits.violations(of: "[\(Self.list("7", 131_000))]").isEmpty)
  }

  @Test("No schema and no input make a violation long")
  func shortWords() throws {
    let name = String(repeating: "é", count: 10_000)
    let schema = try InputSchema(
      "{\"additionalProperties\":{\"enum\":[\(Self.list("\"\(name)\"", 10))]}}")
    let found = try #require(schema.violations(of: "{\"\(name)\":1}").first)
    #expect(found.path.utf8.count < 200 && found.description.utf8.count < 1_100)
    #expect(found.path.hasPrefix("input.é") && found.description.hasSuffix("…"))
  }

  @Test("A request whose schema or input is long is checked beside the reactors")
  func elsewhere() async throws {
    // Who may not read at all is refused what would be done in a task.
    var limits = ServiceLimits()
    (limits.maximumReads, limits.maximumWaitingReads) = (0, 0)
    let harness = try await Harness(limits: limits)
    var long = ActionDefinition.bulkImport
    long.type = "long"
    long.inputSchema = "{\"title\":\"\(String(repeating: "t", count: 9_000))\"}"
    _ = try await harness.agent(declaring: [.bulkImport, long])
    _ = try await harness.request("", action: "bulk_import", input: "{\"file\":\"a\"}")
    let refused = [
      try await failure { try await harness.request("", action: "long", input: "{}") },
      try await failure {
        try await harness.request(
          "", action: "bulk_import", input: "{\"file\":\"\(Self.long)a\(Self.long)\"}")
      },
    ]
    #expect(refused.map(\.reason) == ["TOO_MANY_READS", "TOO_MANY_READS"])
  }
}

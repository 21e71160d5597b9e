import Testing

@testable import IntegrationService

@Suite("JSON text")
struct JSONParserTests {
  @Test(
    "Valid text is read",
    arguments: [
      ("null", .null), (" true ", .bool(true)), ("-0.5e1", .number(-5)),
      ("\"a\\n\"", .string("a\n")),
      ("\"\\u00e9\\ud83d\\ude00\"", .string("é😀")), ("[]", .array([])), ("{}", .object([:])),
      ("[1,[2]]", .array([.number(1), .array([.number(2)])])),
      ("{\"a\":{\"b\":false}}", .object(["a": .object(["b": .bool(false)])])),
    ] as [(String, JSONValue)])
  func valid(text: String, value: JSONValue) throws {
    #expect(try JSONParser.parse(text) == value)
  }

  @Test(
    "Invalid text is refused at its place",
    arguments: [
      ("", 0), ("nul", 3), ("01", 1), ("1.", 2), ("[1,]", 3), ("[1", 2), ("{\"a\"}", 4),
      ("{a:1}", 1), ("\"a", 2), ("\"\n\"", 1), ("\"\\x\"", 3), ("\"\\ud800\"", 7), ("1 2", 2),
      ("{\"a\":1,\"a\":2}", 12), ("1e999", 5), ("+1", 0), ("\"\\u12g4\"", 3),
    ])
  func invalid(text: String, offset: Int) {
    #expect { try JSONParser.parse(text) } throws: { ($0 as? JSONFault)?.offset == offset }
  }

  @Test("Nesting is bounded, so that no text exhausts the stack")
  func nesting() throws {
    let allowed = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    _ = try JSONParser.parse(allowed)
    let deep = String(repeating: "[", count: 200_000)
    #expect { try JSONParser.parse(deep) } throws: { ($0 as? JSONFault)?.offset == 64 }
  }
}

@Suite("An action's input schema")
struct InputSchemaTests {
  static let order = """
    {"type": "object", "required": ["lines"], "additionalProperties": false, "properties": {
      "lines": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer",
        "minimum": 1, "maximum": 99}},
      "mode": {"enum": ["full", "delta"]}, "note": {"type": ["string", "null"], "maxLength": 5}}}
    """

  @Test(
    "Allowed input has no violation",
    arguments: [
      "{\"lines\": [1]}", "{\"lines\": [1, 99.0], \"mode\": \"full\"}",
      "{\"lines\": [2], \"note\": null}", "{\"lines\": [2], \"note\": \"äöüäö\"}",
    ])
  func allowed(input: String) throws {
    #expect(try InputSchema(Self.order).violations(of: input).isEmpty)
  }

  @Test(
    "What is wrong is named with its path",
    arguments: [
      ("", "input.lines"), ("[]", "input"), ("{\"lines\": 3}", "input.lines"),
      ("{\"lines\": []}", "input.lines"), ("{\"lines\": [1,2,3]}", "input.lines"),
      ("{\"lines\": [0]}", "input.lines[0]"), ("{\"lines\": [1,1.5]}", "input.lines[1]"),
      ("{\"lines\": [1], \"mode\": \"fast\"}", "input.mode"),
      ("{\"lines\": [1], \"note\": \"longer\"}", "input.note"),
      ("{\"lines\": [1], \"more\": 1}", "input.more"), ("{", "input"),
    ])
  func refused(input: String, path: String) throws {
    let violations = try InputSchema(Self.order).violations(of: input)
    #expect(violations.map(\.path) == [path])
  }

  @Test("No more violations are listed than help")
  func bounded() throws {
    let schema = try InputSchema("{\"items\": {\"type\": \"string\"}}")
    let input = "[" + Array(repeating: "1", count: 1_000).joined(separator: ",") + "]"
    #expect(schema.violations(of: input).count == InputSchema.maximumViolations)
  }

  @Test("A schema that is no schema is refused", arguments: ["", "3", "[]", "{"])
  func noSchema(text: String) {
    #expect(throws: JSONFault.self) { try InputSchema(text) }
  }
}

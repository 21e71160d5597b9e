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

  @Test(
    "A number is the one that the system reads",
    arguments: [
      "0", "-0", "7", "-12", "0.1", "19.99", "-0.001", "123456789012345", "1234567890123456",
      "9007199254740993", "0.123456789012345", "0.1234567890123456", "100000.0000000001", "1e3",
      "12.5E-2", "0.000000000000001", "3.0",
    ])
  func numbers(text: String) throws {
    #expect(try JSONParser.parse(text) == .number(try #require(Double(text))))
    #expect(try JSONParser.parse("[\(text),\(text)]") == JSONParser.parse("[\(text) , \(text)]"))
  }

  @Test("Names are the same where their bytes are, which takes no time to find out")
  func sameNames() throws {
    let both = try JSONParser.parse("{\"\u{e9}\":1,\"e\u{301}\":2}")
    guard case .object(let object) = both else {
      Issue.record("no object")
      return
    }
    #expect(object.count == 2 && object["\u{e9}"] == .number(1) && object["e\u{301}"] == .number(2))
    #expect(try JSONParser.parse("[\"\u{e9}\"]") != JSONParser.parse("[\"e\u{301}\"]"))
  }

  @Test("Objects are equal whatever the order of their members", arguments: [2, 40])
  func order(count: Int) throws {
    let members = (0..<count).map { "\"n\($0)\":[\($0)]" }
    let one = try JSONParser.parse("{\(members.joined(separator: ","))}")
    let other = try JSONParser.parse("{\(members.reversed().joined(separator: ","))}")
    #expect(one == other && one.hashValue == other.hashValue)
    let less = try JSONParser.parse("{\(members.dropLast().joined(separator: ","))}")
    #expect(one != less)
    #expect(throws: JSONFault.self) {
      try JSONParser.parse("{\(members.joined(separator: ",")),\"n0\":1}")
    }
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

  @Test(
    "Forms, references, bounds and unique items are checked",
    arguments: [
      ("{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}", "3", "input"),
      ("{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"null\"}]}", "null", ""),
      ("{\"oneOf\": [{\"minimum\": 1}, {\"maximum\": 9}]}", "5", "input"),
      ("{\"oneOf\": [{\"minimum\": 6}, {\"maximum\": 4}]}", "3", ""),
      ("{\"allOf\": [{\"required\": [\"a\"]}, {\"required\": [\"b\"]}]}", "{\"a\":1}", "input.b"),
      ("{\"not\": {\"type\": \"array\"}}", "[]", "input"),
      ("{\"exclusiveMinimum\": 0}", "0", "input"), ("{\"exclusiveMaximum\": 9}", "9", "input"),
      ("{\"multipleOf\": 0.5}", "1.25", "input"), ("{\"multipleOf\": 5}", "15", ""),
      ("{\"multipleOf\": 0.01}", "19.99", ""), ("{\"multipleOf\": 0.01}", "19.995", "input"),
      ("{\"multipleOf\": 0.1}", "0.3", ""), ("{\"multipleOf\": 1e-300}", "1e300", "input"),
      ("{\"uniqueItems\": true}", "[1,{\"a\":2},{\"a\":2}]", "input[2]"),
      ("{\"minProperties\": 1}", "{}", "input"),
      (
        "{\"items\": {\"$ref\": \"#/$defs/a~1b\"}, \"$defs\": {\"a/b\": {\"const\": 1}}}", "[1,2]",
        "input[1]"
      ),
      (
        "{\"items\": {\"$ref\": \"#/$defs/~01~0~1\"}, \"$defs\": {\"~1~/\": {\"const\": 1}}}",
        "[1,2]", "input[1]"
      ),
      (
        "{\"properties\": {\"next\": {\"$ref\": \"#\"}, \"n\": {\"type\": \"integer\"}}}",
        "{\"next\":{\"next\":{\"n\":\"x\"}}}", "input.next.next.n"
      ),
      ("{\"format\": \"date\", \"pattern\": \"^a\"}", "\"b\"", ""),
    ])
  func keywords(schema: String, input: String, path: String) throws {
    let found = try InputSchema(schema).violations(of: input)
    #expect(found.map(\.path) == (path.isEmpty ? [] : [path]))
  }

  @Test("What is nearest to a form is named")
  func nearest() throws {
    let schema = """
      {"anyOf": [{"required": ["a"], "properties": {"a": {"type": "string"}}},
        {"type": "array"}]}
      """
    let found = try InputSchema(schema).violations(of: "{\"a\":1}")
    #expect(found.first?.description.contains("input.a: expected string, got integer") == true)
  }

  @Test(
    "No schema makes an input expensive",
    arguments: [
      "{\"$ref\": \"#\"}", "{\"allOf\": [{\"$ref\": \"#\"}, {\"$ref\": \"#\"}]}",
      "{\"anyOf\": [{\"$ref\": \"#/$defs/a\"}, {\"$ref\": \"#/$defs/a\"}], \"$defs\": {\"a\": "
        + "{\"anyOf\": [{\"$ref\": \"#\"}, {\"$ref\": \"#\"}]}}}",
    ])
  func bounds(schema: String) throws {
    #expect(!(try InputSchema(schema).violations(of: "{}").isEmpty))
  }

  @Test(
    "A schema that is no schema is refused at its place",
    arguments: [
      ("", "#"), ("3", "#"), ("[]", "#"), ("{", "#"), ("{\"type\": \"text\"}", "#/type"),
      ("{\"type\": []}", "#/type"), ("{\"properties\": []}", "#/properties"),
      ("{\"properties\": {\"a/b\": 3}}", "#/properties/a~1b"),
      ("{\"items\": \"string\"}", "#/items"), ("{\"required\": \"a\"}", "#/required"),
      ("{\"required\": [1]}", "#/required"), ("{\"enum\": {}}", "#/enum"),
      ("{\"minimum\": \"1\"}", "#/minimum"), ("{\"maxLength\": -1}", "#/maxLength"),
      ("{\"minItems\": 1.5}", "#/minItems"), ("{\"anyOf\": []}", "#/anyOf"),
      ("{\"oneOf\": [{}, {\"type\": 1}]}", "#/oneOf/1/type"),
      ("{\"uniqueItems\": 1}", "#/uniqueItems"),
      ("{\"$ref\": \"#/$defs/none\"}", "#/$ref"),
      ("{\"$ref\": \"https://example.com/x\"}", "#/$ref"), ("{\"multipleOf\": 0}", "#/multipleOf"),
    ])
  func noSchema(text: String, place: String) {
    #expect {
      try InputSchema(text)
    } throws: {
      ($0 as? SchemaFault)?.place == place
    }
  }
}

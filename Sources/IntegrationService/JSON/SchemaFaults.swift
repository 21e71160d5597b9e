/// Why a text is no schema, and where.
struct SchemaFault: Error, Equatable, CustomStringConvertible {
  /// A JSON pointer: `#/properties/lines/type`.
  let place: String
  let problem: String
  /// How many other faults there are.
  var more = 0

  var description: String {
    "\(problem), at \(place)\(more > 0 ? ", and \(more) more faults" : "")"
  }
}

/// Goes over a schema and notes each keyword whose value it cannot have.
struct SchemaFaults {
  /// How many are noted at most.
  static let maximumFaults = 100

  private let root: JSONValue
  private(set) var found: [SchemaFault] = []

  init(_ root: JSONValue) {
    self.root = root
    schema(root, "#")
  }

  private static let types: Set<String> = [
    "null", "boolean", "integer", "number", "string", "array", "object",
  ]

  private mutating func note(_ place: String, _ problem: String) {
    if found.count < Self.maximumFaults {
      found.append(SchemaFault(place: place, problem: problem))
    }
  }

  private mutating func schema(_ value: JSONValue, _ place: String) {
    switch value {
    case .bool: return
    case .object(let rules):
      for (name, rule) in rules.sorted(by: { $0.key < $1.key }) {
        keyword(name, rule, "\(place)/\(SchemaReference.escaped(name))")
      }
    case .null, .number, .string, .array:
      note(place, "expected a schema, which is an object, true or false; got \(value.kindName)")
    }
  }

  private mutating func keyword(_ name: String, _ rule: JSONValue, _ place: String) {
    switch name {
    case "type": type(rule, place)
    case "properties", "$defs", "definitions": schemas(byName: rule, place)
    case "items", "additionalProperties", "not": schema(rule, place)
    case "anyOf", "oneOf", "allOf": forms(rule, place)
    case "required": names(rule, place)
    case "enum":
      guard case .array(let choices) = rule, !choices.isEmpty else {
        return note(place, "expected an array of the values that are allowed")
      }
    case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
      if case .number = rule { return }
      note(place, "expected a number, got \(rule.kindName)")
    case "multipleOf":
      guard case .number(let number) = rule, number > 0 else {
        return note(place, "expected a number above 0")
      }
    case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
      guard case .number(let number) = rule, number >= 0, number.isWholeNumber else {
        return note(place, "expected a whole number from 0 on")
      }
    case "uniqueItems":
      if case .bool = rule { return }
      note(place, "expected true or false, got \(rule.kindName)")
    case "pattern", "format", "title", "description", "$schema", "$id":
      if case .string = rule { return }
      note(place, "expected a text, got \(rule.kindName)")
    case "$ref": reference(rule, place)
    default: return
    }
  }

  private mutating func type(_ rule: JSONValue, _ place: String) {
    let names: [JSONValue]
    if case .array(let several) = rule { names = several } else { names = [rule] }
    let isKnown = names.allSatisfy { name in
      if case .string(let text) = name { Self.types.contains(text) } else { false }
    }
    guard isKnown, !names.isEmpty else {
      return note(
        place, "expected one or several of \(Self.types.sorted().joined(separator: ", "))")
    }
  }

  private mutating func schemas(byName rule: JSONValue, _ place: String) {
    guard case .object(let members) = rule else {
      return note(place, "expected an object of schemas, got \(rule.kindName)")
    }
    for (name, member) in members.sorted(by: { $0.key < $1.key }) {
      schema(member, "\(place)/\(SchemaReference.escaped(name))")
    }
  }

  private mutating func forms(_ rule: JSONValue, _ place: String) {
    guard case .array(let forms) = rule, !forms.isEmpty else {
      return note(place, "expected an array of schemas")
    }
    for (index, form) in forms.enumerated() { schema(form, "\(place)/\(index)") }
  }

  private mutating func names(_ rule: JSONValue, _ place: String) {
    guard case .array(let names) = rule,
      names.allSatisfy({ if case .string = $0 { true } else { false } })
    else { return note(place, "expected an array of names") }
  }

  private mutating func reference(_ rule: JSONValue, _ place: String) {
    guard case .string(let text) = rule else {
      return note(place, "expected a text, got \(rule.kindName)")
    }
    guard text.hasPrefix("#") else {
      return note(
        place, "expected a reference within this schema, such as #/$defs/line; others are not read")
    }
    if SchemaReference.target(text, in: root) == nil {
      note(place, "nothing in this schema is at \(text)")
    }
  }
}

/// References from one place of a schema to another: JSON pointers (RFC 6901) behind `#`.
enum SchemaReference {
  /// What a reference names; nil: nothing.
  static func target(_ reference: String, in root: JSONValue) -> JSONValue? {
    guard reference.hasPrefix("#") else { return nil }
    let pointer = reference.dropFirst()
    guard !pointer.isEmpty else { return root }
    guard pointer.hasPrefix("/") else { return nil }
    var place = root
    for part in pointer.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
      switch place {
      case .object(let members):
        guard let member = members[unescaped(part)] else { return nil }
        place = member
      case .array(let items):
        guard let index = Int(part), items.indices.contains(index) else { return nil }
        place = items[index]
      case .null, .bool, .number, .string: return nil
      }
    }
    return place
  }

  static func escaped(_ name: String) -> String {
    name.split(separator: "~", omittingEmptySubsequences: false).joined(separator: "~0")
      .split(separator: "/", omittingEmptySubsequences: false).joined(separator: "~1")
  }

  private static func unescaped(_ part: Substring) -> String {
    part.split(separator: "~1", omittingEmptySubsequences: false).joined(separator: "/")
      .split(separator: "~0", omittingEmptySubsequences: false).joined(separator: "~")
  }
}

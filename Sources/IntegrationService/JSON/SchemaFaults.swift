import JSONText

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
  /// The longest word that is a keyword; longer ones are not compared with any.
  private static let longestKeyword = "additionalProperties".utf8.count

  private let root: JSONValue
  private var place: [Step] = []
  private(set) var found: [SchemaFault] = []

  private enum Step {
    case member(String)
    case item(Int)
  }

  init(_ root: JSONValue) {
    self.root = root
    schema(root)
  }

  private mutating func note(_ problem: @autoclosure () -> String) {
    guard found.count < Self.maximumFaults else { return }
    // Only now: most schemas have no fault.
    let pointer = place.map { step in
      switch step {
      case .member(let name): "/\(SchemaReference.escaped(name))"
      case .item(let index): "/\(index)"
      }
    }
    found.append(SchemaFault(place: "#\(pointer.joined())", problem: problem()))
  }

  private mutating func schema(_ value: JSONValue) {
    switch value {
    case .bool: return
    case .object(let rules):
      for (name, rule) in rules.members where name.utf8.count <= Self.longestKeyword {
        place.append(.member(name))
        keyword(name, rule)
        place.removeLast()
      }
    case .null, .number, .string, .array:
      note("expected a schema, which is an object, true or false; got \(value.kindName)")
    }
  }

  private mutating func keyword(_ name: String, _ rule: JSONValue) {
    switch name {
    case "type": type(rule)
    case "properties", "$defs", "definitions": schemas(byName: rule)
    case "items", "additionalProperties", "not": schema(rule)
    case "anyOf", "oneOf", "allOf": forms(rule)
    case "required": names(rule)
    case "enum":
      guard case .array(let choices) = rule, !choices.isEmpty else {
        return note("expected an array of the values that are allowed")
      }
    case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
      if case .number = rule { return }
      note("expected a number, got \(rule.kindName)")
    case "multipleOf":
      guard case .number(let number) = rule, number > 0 else {
        return note("expected a number above 0")
      }
    case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
      guard case .number(let number) = rule, number >= 0, number.isWholeNumber else {
        return note("expected a whole number from 0 on")
      }
    case "uniqueItems":
      if case .bool = rule { return }
      note("expected true or false, got \(rule.kindName)")
    case "pattern", "format", "title", "description", "$schema", "$id":
      if case .string = rule { return }
      note("expected a text, got \(rule.kindName)")
    case "$ref": reference(rule)
    default: return
    }
  }

  private mutating func type(_ rule: JSONValue) {
    let names: [JSONValue]
    if case .array(let several) = rule { names = several } else { names = [rule] }
    guard names.allSatisfy({ !JSONTypes($0).isEmpty }), !names.isEmpty else {
      let known = JSONTypes.named.map(\.name).sorted()
      return note("expected one or several of \(known.joined(separator: ", "))")
    }
  }

  private mutating func schemas(byName rule: JSONValue) {
    guard case .object(let object) = rule else {
      return note("expected an object of schemas, got \(rule.kindName)")
    }
    for (name, member) in object.members {
      place.append(.member(name))
      schema(member)
      place.removeLast()
    }
  }

  private mutating func forms(_ rule: JSONValue) {
    guard case .array(let forms) = rule, !forms.isEmpty else {
      return note("expected an array of schemas")
    }
    for (index, form) in forms.enumerated() {
      place.append(.item(index))
      schema(form)
      place.removeLast()
    }
  }

  private mutating func names(_ rule: JSONValue) {
    guard case .array(let names) = rule,
      names.allSatisfy({ if case .string = $0 { true } else { false } })
    else { return note("expected an array of names") }
  }

  private mutating func reference(_ rule: JSONValue) {
    guard case .string(let text) = rule else {
      return note("expected a text, got \(rule.kindName)")
    }
    guard text.utf8.first == UInt8(ascii: "#") else {
      return note(
        "expected a reference within this schema, such as #/$defs/line; others are not read")
    }
    if SchemaReference.target(text, in: root) == nil {
      note("nothing in this schema is at \(text)")
    }
  }
}

/// References from one place of a schema to another: JSON pointers (RFC 6901) behind `#`.
///
/// Read byte by byte: what Swift counts as one character may be all of a long text.
enum SchemaReference {
  /// What a reference names; nil: nothing.
  static func target(_ reference: String, in root: JSONValue) -> JSONValue? {
    guard reference.utf8.first == UInt8(ascii: "#") else { return nil }
    let pointer = reference.utf8.dropFirst()
    guard let first = pointer.first else { return root }
    guard first == UInt8(ascii: "/") else { return nil }
    var place = root
    let parts = pointer.dropFirst().split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    for part in parts {
      switch place {
      case .object(let object):
        guard let member = object[unescaped(part)] else { return nil }
        place = member
      case .array(let items):
        guard let index = Int(Substring(part)), items.indices.contains(index) else { return nil }
        place = items[index]
      case .null, .bool, .number, .string: return nil
      }
    }
    return place
  }

  static func escaped(_ name: String) -> String {
    var escaped = ""
    for scalar in name.unicodeScalars {
      switch scalar {
      case "~": escaped += "~0"
      case "/": escaped += "~1"
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }

  private static func unescaped(_ part: Substring.UTF8View) -> String {
    guard part.contains(UInt8(ascii: "~")) else { return String(Substring(part)) }
    var bytes: [UInt8] = []
    var isEscape = false
    for byte in part {
      switch byte {
      case UInt8(ascii: "1") where isEscape: bytes[bytes.count - 1] = UInt8(ascii: "/")
      // The tilde before it stays, and begins nothing.
      case UInt8(ascii: "0") where isEscape: break
      default: bytes.append(byte)
      }
      isEscape = byte == UInt8(ascii: "~")
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Writes an enum of the schema.
struct EnumEmitter {
  let type: SchemaEnum

  func emit(into out: inout SourceWriter) {
    let name = type.path.joined()
    let values = type.values.map { value in
      let jsonName = Naming.jsonName(ofValue: value.name, in: type.path.last ?? name)
      return Value(
        jsonName: jsonName, caseName: Naming.escaped(Naming.enumCase(jsonName)), schema: value)
    }
    out.docs(type.origin, or: "An enum of the schema.")
    out.block("public enum \(name): ProtobufEnum") { out in
      for value in values {
        out.docs(value.schema.origin, or: "`\(value.schema.name)`.")
        out.line("case \(value.caseName)")
      }
      out.line("/// A number that this program's schema does not name.")
      out.line("case unrecognized(Int32)")
      out.line()
      emitNumbers(values, into: &out)
      out.line()
      emitNames(name, values, into: &out)
    }
    out.line()
  }

  private struct Value {
    var jsonName: String
    var caseName: String
    var schema: SchemaEnumValue
  }

  private func emitNumbers(_ values: [Value], into out: inout SourceWriter) {
    let zero = values.first { $0.schema.number == 0 } ?? values.first
    out.line("/// The value of a field that is not set.")
    out.line("public init() { self = .\(zero?.caseName ?? "unrecognized(0)") }")
    out.line()
    out.line("/// Reads a number; one that the schema does not name is kept.")
    out.block("public init(rawValue: Int32)") { out in
      out.line("switch rawValue {")
      for value in values {
        out.line("case \(value.schema.number): self = .\(value.caseName)")
      }
      out.line("default: self = .unrecognized(rawValue)")
      out.line("}")
    }
    out.line()
    out.line("/// The number on the wire.")
    out.block("public var rawValue: Int32") { out in
      out.line("switch self {")
      for value in values { out.line("case .\(value.caseName): \(value.schema.number)") }
      out.line("case .unrecognized(let number): number")
      out.line("}")
    }
  }

  private func emitNames(_ name: String, _ values: [Value], into out: inout SourceWriter) {
    out.line("/// The name in JSON; for an unknown number, its digits.")
    out.block("public var jsonName: String") { out in
      out.line("switch self {")
      for value in values { out.line("case .\(value.caseName): \"\(value.jsonName)\"") }
      out.line("case .unrecognized(let number): String(number)")
      out.line("}")
    }
    out.line()
    out.line("/// All that the schema names.")
    out.line(
      "public static let allKnown: [\(name)] = ["
        + values.map { ".\($0.caseName)" }.joined(separator: ", ") + "]")
  }
}

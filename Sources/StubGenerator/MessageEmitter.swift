/// Writes a message as a Swift value.
struct MessageEmitter {
  let message: SchemaMessage
  let table: TypeTable

  private var name: String { message.path.joined() }
  private var plainFields: [SchemaField] { message.fields.filter { $0.oneof == nil } }

  func emit(into out: inout SourceWriter) {
    out.docs(message.origin, or: "`\(message.fullName)` of the schema.")
    out.block("public struct \(name): ProtobufMessage") { out in
      for field in plainFields {
        out.docs(field.origin, or: "`\(field.name)` of the schema.")
        out.line("public var \(Naming.escaped(Naming.member(field.name)))\(declaration(field))")
      }
      for (index, oneof) in message.oneofs.enumerated() { emitOneof(oneof, index, into: &out) }
      out.line("/// Fields that this program's schema does not know.")
      out.line("public var unknownFields = UnknownFields()")
      out.line()
      out.line("/// The full name in the schema.")
      out.line("public static let messageName = \"\(message.fullName)\"")
      out.line("/// The same message as it lies in an arena.")
      out.line("public typealias View = \(name)View")
      out.line()
      out.line("/// Makes the message with every field at its default.")
      out.line("public init() {}")
      out.line()
      emitJSON(into: &out)
    }
    out.line()
  }

  private func declaration(_ field: SchemaField) -> String {
    switch table.shape(of: field) {
    case .single(let kind) where kind.isOptional: ": \(kind.swiftType)?"
    case .single(let kind): ": \(kind.swiftType) = \(kind.defaultValue)"
    case .repeated(let kind): ": [\(kind.swiftType)] = []"
    case .map(_, let key, let value): ": [\(key.swiftType): \(value.swiftType)] = [:]"
    }
  }

  private func emitOneof(_ oneof: SchemaOneof, _ index: Int, into out: inout SourceWriter) {
    let type = Naming.suffix(oneof.name)
    out.docs(oneof.origin, or: "`\(oneof.name)` of the schema: at most one of these.")
    out.block("public enum \(type): Sendable, Equatable") { out in
      for field in message.fields where field.oneof == index {
        out.docs(field.origin, or: "`\(field.name)` of the schema.")
        let value = table.value(of: field.type).swiftType
        out.line("case \(Naming.escaped(Naming.member(field.name)))(\(value))")
      }
    }
    out.line("/// Which of them is set; nil for none.")
    out.line("public var \(Naming.escaped(Naming.member(oneof.name))): \(type)?")
  }

  private func emitJSON(into out: inout SourceWriter) {
    out.line("/// Writes the message as proto3 JSON.")
    out.block("public func encode(to encoder: any Encoder) throws") { out in
      if message.fields.isEmpty {
        out.line("_ = encoder.container(keyedBy: JSONKey.self)")
        return
      }
      out.line("var fields = JSONFields(encoder)")
      for field in plainFields {
        let member = Naming.escaped(Naming.member(field.name))
        out.line("try fields.encode(self.\(member), \"\(field.jsonName)\")")
      }
      for (index, oneof) in message.oneofs.enumerated() {
        out.line("switch self.\(Naming.escaped(Naming.member(oneof.name))) {")
        for field in message.fields where field.oneof == index {
          out.line(
            "case .\(Naming.escaped(Naming.member(field.name)))(let value)?: "
              + "try fields.encode(value, \"\(field.jsonName)\")")
        }
        out.line("case nil: break")
        out.line("}")
      }
    }
  }
}

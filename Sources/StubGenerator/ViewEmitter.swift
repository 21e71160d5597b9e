/// Writes the view of a message: typed access to protoc-c's record in an arena.
struct ViewEmitter {
  let message: SchemaMessage
  let table: TypeTable

  private var name: String { message.path.joined() + "View" }
  private var valueType: String {
    message.isMapEntry
      ? "(key: \(kind(0).swiftType), value: \(kind(1).swiftType))" : message.path.joined()
  }
  private var plainFields: [SchemaField] { message.fields.filter { $0.oneof == nil } }

  private func kind(_ index: Int) -> ValueKind { table.value(of: message.fields[index].type) }

  func emit(into out: inout SourceWriter) {
    let record = Naming.cType(message.fullName)
    let initializer = Naming.cFunctionPrefix(message.fullName) + "__init"
    let subject = message.isMapEntry ? "An entry of a map" : "`\(message.path.joined())`"
    out.line("/// \(subject) as it lies in an arena; see `ProtobufView`.")
    out.line("@safe")
    out.block("public struct \(name): ProtobufView") { out in
      out.line("/// The C table that describes the message.")
      out.line(
        "public static let descriptor = unsafe MessageDescriptor("
          + "\(record).self, initializer: \(initializer))")
      out.line("/// The message's C record.")
      out.line("public let reference: MessageReference")
      out.line()
      out.line("/// Wraps a record of this type.")
      out.line("public init(reference: MessageReference) { self.reference = reference }")
      if !message.fields.isEmpty {
        out.line()
        out.line(
          "private var record: UnsafeMutablePointer<\(record)> { unsafe reference.record() }")
      }
      for field in plainFields { FieldViewEmitter(field: field, table: table).emit(into: &out) }
      for (index, oneof) in message.oneofs.enumerated() { emitOneof(oneof, index, into: &out) }
      emitMessage(into: &out)
      emitAssign(into: &out)
    }
    out.line()
  }

  // MARK: Oneofs

  private func emitOneof(_ oneof: SchemaOneof, _ index: Int, into out: inout SourceWriter) {
    let type = Naming.suffix(oneof.name)
    let fields = message.fields.filter { $0.oneof == index }
    let caseField = "record.pointee.\(Naming.cField(oneof.name))_case"
    out.line()
    out.docs(oneof.origin, or: "`\(oneof.name)` of the schema: at most one of these.")
    out.line("@safe")
    out.block("public enum \(type)") { out in
      for field in fields {
        out.docs(field.origin, or: "`\(field.name)` of the schema.")
        out.line("case \(caseName(field))(\(viewType(table.value(of: field.type))))")
      }
    }
    out.line("/// Which of them is set; nil for none.")
    out.block("public var \(Naming.escaped(Naming.member(oneof.name))): \(type)?") { out in
      out.line("switch unsafe \(caseField).rawValue {")
      for field in fields {
        out.line("case \(field.number): \(read(field, into: type))")
      }
      out.line("default: nil")
      out.line("}")
    }
    for field in fields {
      emitSetter(field, caseField: caseField, into: &out)
    }
  }

  private func caseName(_ field: SchemaField) -> String {
    Naming.escaped(Naming.member(field.name))
  }

  private func viewType(_ kind: ValueKind) -> String {
    switch kind {
    case .text: "ProtobufText"
    case .message(let name): name + "View"
    case .number, .bool, .timestamp, .enumeration: kind.swiftType
    }
  }

  private func read(_ field: SchemaField, into type: String) -> String {
    let kind = table.value(of: field.type)
    let getter = FieldViewEmitter(field: field, table: table).getter(kind)
    return kind.isOptional
      ? "\(getter).map { .\(caseName(field))($0) }" : ".\(caseName(field))(\(getter))"
  }

  private func emitSetter(_ field: SchemaField, caseField: String, into out: inout SourceWriter) {
    let emitter = FieldViewEmitter(field: field, table: table)
    let choose = "unsafe \(caseField) = .init(rawValue: \(field.number))"
    let suffix = Naming.suffix(field.name)
    if case .message(let name) = table.value(of: field.type) {
      out.line("/// Sets `\(field.name)`, which is empty at first.")
      out.block("public func make\(suffix)() -> \(name)View") { out in
        out.line("let view = \(name)View(besides: reference)")
        out.line("unsafe \(emitter.member) = view.reference.record()")
        out.line(choose)
        out.line("return view")
      }
    } else {
      let kind = table.value(of: field.type)
      out.line("/// Sets `\(field.name)`.")
      out.block("public func set\(suffix)(_ newValue: \(viewType(kind)))") { out in
        out.line(
          kind == .text
            ? "unsafe \(emitter.member) = reference.cString(newValue)" : emitter.setter(kind))
        out.line(choose)
      }
    }
  }

  // MARK: Values

  private func emitMessage(into out: inout SourceWriter) {
    out.line()
    out.line("/// A copy that stays.")
    out.block("public func makeMessage() -> \(valueType)") { out in
      if message.isMapEntry {
        out.line("(\(copy(message.fields[0])), \(copy(message.fields[1])))")
        return
      }
      out.line("var message = \(valueType)()")
      for field in plainFields { out.line("message.\(caseName(field)) = \(copy(field))") }
      for (index, oneof) in message.oneofs.enumerated() {
        let member = Naming.escaped(Naming.member(oneof.name))
        out.line("switch self.\(member) {")
        for field in message.fields where field.oneof == index {
          let value = single(table.value(of: field.type), "value")
          out.line(
            "case .\(caseName(field))(let value)?: "
              + "message.\(member) = .\(caseName(field))(\(value))")
        }
        out.line("case nil: break")
        out.line("}")
      }
      out.line("message.unknownFields = reference.unknownFields")
      out.line("return message")
    }
  }

  private func single(_ kind: ValueKind, _ expression: String) -> String {
    switch kind {
    case .text: "\(expression).string"
    case .message: "\(expression).makeMessage()"
    case .number, .bool, .timestamp, .enumeration: expression
    }
  }

  private func copy(_ field: SchemaField) -> String {
    let member = "self." + Naming.member(field.name)
    switch table.shape(of: field) {
    case .single(.message): return "\(member)?.makeMessage()"
    case .single(let kind): return single(kind, member)
    case .repeated(.message): return "\(member).messages()"
    case .repeated(.text): return "\(member).map(\\.string)"
    case .repeated(.timestamp), .repeated(.bool), .repeated(.enumeration), .repeated(.number):
      return "Array(\(member))"
    case .map: return "Dictionary(\(member).messages(), uniquingKeysWith: { $1 })"
    }
  }

  private func emitAssign(into out: inout SourceWriter) {
    out.line()
    out.line("/// Sets every field from a value.")
    out.block("public func assign(_ message: \(valueType))") { out in
      for field in plainFields {
        FieldViewEmitter(field: field, table: table).emitAssignment(into: &out)
      }
      for (index, oneof) in message.oneofs.enumerated() {
        out.line("switch message.\(Naming.escaped(Naming.member(oneof.name))) {")
        for field in message.fields where field.oneof == index {
          let suffix = Naming.suffix(field.name)
          switch table.value(of: field.type) {
          case .message:
            out.line("case .\(caseName(field))(let value)?: make\(suffix)().assign(value)")
          case .text:
            out.line("case .\(caseName(field))(let value)?:")
            out.line("  value.withProtobufText { set\(suffix)($0) }")
          case .number, .bool, .timestamp, .enumeration:
            out.line("case .\(caseName(field))(let value)?: set\(suffix)(value)")
          }
        }
        out.line(
          "case nil: unsafe record.pointee.\(Naming.cField(oneof.name))_case = .init(rawValue: 0)")
        out.line("}")
      }
      if !message.isMapEntry { out.line("reference.unknownFields = message.unknownFields") }
    }
  }
}

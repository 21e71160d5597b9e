/// Writes a field's members of a view.
struct FieldViewEmitter {
  let field: SchemaField
  let table: TypeTable

  /// The C record's member.
  var member: String { "record.pointee.\(Naming.cField(field.name))" }
  private var count: String { "record.pointee.n_\(Naming.cField(field.name))" }
  private var swiftName: String { Naming.escaped(Naming.member(field.name)) }
  private var suffix: String { Naming.suffix(field.name) }

  func emit(into out: inout SourceWriter) {
    out.line()
    out.docs(field.origin, or: "`\(field.name)` of the schema.")
    switch table.shape(of: field) {
    case .single(.message(let name)): emitMessage(name, into: &out)
    case .single(let kind):
      let type = kind == .text ? "ProtobufText" : kind.swiftType + (kind.isOptional ? "?" : "")
      out.block("public var \(swiftName): \(type)") { out in
        out.line("get { \(getter(kind)) }")
        out.line("nonmutating set { \(setter(kind)) }")
      }
      if kind == .text { emitTextSetter(into: &out) }
    case .repeated(.message(let name)): emitRepeated("RepeatedView<\(name)View>", into: &out)
    case .repeated(.text): emitRepeated("RepeatedText", into: &out)
    case .repeated(.timestamp): emitRepeated("RepeatedTimestamps", into: &out)
    case .repeated(let kind): emitNumbers(kind, into: &out)
    case .map(let entry, _, _): emitRepeated("RepeatedView<\(entry)>", into: &out)
    }
  }

  private func emitTextSetter(into out: inout SourceWriter) {
    out.line("/// Sets `\(field.name)`; the text is copied into the arena.")
    out.block("public func set\(suffix)(_ newValue: String)") { out in
      out.line("unsafe \(member) = reference.text(newValue)")
    }
  }

  func getter(_ kind: ValueKind) -> String {
    switch kind {
    case .number: "unsafe \(member)"
    case .bool: "unsafe \(member) != 0"
    case .text: "unsafe ProtobufText(\(member))"
    case .timestamp: "unsafe reference.timestamp(\(member))"
    case .enumeration(let name):
      "unsafe \(name)(rawValue: Int32(truncatingIfNeeded: \(member).rawValue))"
    case .message(let name): "unsafe \(name)View(\(member), of: reference)"
    }
  }

  func setter(_ kind: ValueKind) -> String {
    switch kind {
    case .number: "unsafe \(member) = newValue"
    case .bool: "unsafe \(member) = newValue ? 1 : 0"
    case .text: "unsafe \(member) = reference.text(newValue)"
    case .timestamp: "unsafe \(member) = reference.timestampRecord(newValue)"
    case .enumeration:
      "unsafe \(member) = .init(rawValue: .init(truncatingIfNeeded: newValue.rawValue))"
    case .message: "unsafe \(member) = newValue.reference.record()"
    }
  }

  private func emitMessage(_ name: String, into out: inout SourceWriter) {
    out.block("public var \(swiftName): \(name)View?") { out in
      out.line(getter(.message(name)))
    }
    out.line("/// Sets `\(field.name)`, which is empty at first.")
    out.block("public func make\(suffix)() -> \(name)View") { out in
      out.line("let view = \(name)View(besides: reference)")
      out.line("unsafe \(member) = view.reference.record()")
      out.line("return view")
    }
  }

  private func emitRepeated(_ type: String, into out: inout SourceWriter) {
    out.block("public var \(swiftName): \(type)") { out in
      out.line("unsafe \(type)(\(member), count: \(count), of: reference)")
    }
    out.line("/// Sets `\(field.name)` to as many empty elements; fill them one by one.")
    out.block("public func make\(suffix)(count: Int) -> \(type)") { out in
      out.line("let elements = \(type)(count: count, besides: reference)")
      out.line("unsafe \(member) = elements.start()")
      out.line("unsafe \(self.count) = count")
      out.line("return elements")
    }
  }

  private func emitNumbers(_ kind: ValueKind, into out: inout SourceWriter) {
    let type: String
    switch kind {
    case .bool: type = "RepeatedBools"
    case .enumeration(let name): type = "RepeatedEnums<\(name)>"
    case .number, .text, .timestamp, .message: type = "RepeatedNumbers<\(kind.swiftType)>"
    }
    out.block("public var \(swiftName): \(type)") { out in
      out.line("unsafe \(type)(\(member), count: \(count))")
    }
    out.line("/// Sets `\(field.name)`; the values are copied into the arena.")
    out.block("public func set\(suffix)(_ values: some Collection<\(kind.swiftType)>)") { out in
      out.line("let elements = \(type)(values, besides: reference)")
      out.line("unsafe \(member) = elements.start()")
      out.line("unsafe \(count) = elements.count")
    }
  }

  func emitAssignment(into out: inout SourceWriter) {
    let value = "message.\(swiftName)"
    switch table.shape(of: field) {
    case .single(.text): out.line("unsafe \(member) = reference.text(\(value))")
    case .single(.message):
      out.line("unsafe \(member) = nil")
      out.line("if let value = \(value) { make\(suffix)().assign(value) }")
    case .single: out.line("self.\(swiftName) = \(value)")
    case .repeated(.message), .repeated(.text), .repeated(.timestamp):
      out.line("make\(suffix)(count: \(value).count).assign(\(value))")
    case .repeated: out.line("set\(suffix)(\(value))")
    case .map:
      out.line(
        "make\(suffix)(count: \(value).count).assign(\(value).sorted { $0.key < $1.key })")
    }
  }
}

/// Finds types by their full names and says what they are called in Swift.
struct TypeTable {
  static let timestamp = "google.protobuf.Timestamp"

  private var messages: [String: SchemaMessage] = [:]
  private var enums: [String: SchemaEnum] = [:]

  init(_ schema: Schema) {
    for file in schema.files {
      for message in file.messages { messages[message.fullName] = message }
      for type in file.enums { enums[type.fullName] = type }
    }
  }

  func message(_ fullName: String) -> SchemaMessage? { messages[fullName] }

  func swiftName(_ fullName: String) -> String {
    (messages[fullName]?.path ?? enums[fullName]?.path ?? [fullName]).joined()
  }

  /// What the generated code does with a field.
  func shape(of field: SchemaField) -> FieldShape {
    if case .message(let name) = field.type, let entry = messages[name], entry.isMapEntry,
      entry.fields.count == 2
    {
      return .map(
        entry: swiftName(name) + "View", key: value(of: entry.fields[0].type),
        value: value(of: entry.fields[1].type))
    }
    let kind = value(of: field.type)
    return field.label == .repeated ? .repeated(kind) : .single(kind)
  }

  func value(of type: SchemaType) -> ValueKind {
    switch type {
    case .double: .number("Double")
    case .float: .number("Float")
    case .int32, .sint32, .sfixed32: .number("Int32")
    case .int64, .sint64, .sfixed64: .number("Int64")
    case .uint32, .fixed32: .number("UInt32")
    case .uint64, .fixed64: .number("UInt64")
    case .bool: .bool
    case .string, .bytes, .group: .text
    case .message(Self.timestamp): .timestamp
    case .message(let name): .message(swiftName(name))
    case .enumeration(let name): .enumeration(swiftName(name))
    }
  }
}

/// How a field is held.
enum FieldShape: Equatable {
  case single(ValueKind)
  case repeated(ValueKind)
  case map(entry: String, key: ValueKind, value: ValueKind)
}

/// What one value of a field is in Swift.
enum ValueKind: Equatable {
  case number(String)
  case bool
  case text
  case timestamp
  case enumeration(String)
  case message(String)

  /// The type in a value.
  var swiftType: String {
    switch self {
    case .number(let name), .enumeration(let name), .message(let name): name
    case .bool: "Bool"
    case .text: "String"
    case .timestamp: "Timestamp"
    }
  }

  /// The default of a field that is not set.
  var defaultValue: String {
    switch self {
    case .number: "0"
    case .bool: "false"
    case .text: "\"\""
    case .timestamp, .message: "nil"
    case .enumeration(let name): "\(name)()"
    }
  }

  /// Whether a field that is not set is nil.
  var isOptional: Bool {
    switch self {
    case .timestamp, .message: true
    case .number, .bool, .text, .enumeration: false
    }
  }
}

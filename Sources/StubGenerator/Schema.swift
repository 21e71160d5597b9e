/// A set of schema files as protoc has read them, with comments and positions.
public struct Schema: Sendable, Equatable {
  /// Every file that is known: those to generate for and all that they import.
  public var files: [SchemaFile]
  /// The names of the files to generate for.
  public var filesToGenerate: [String]

  /// Makes a schema.
  public init(files: [SchemaFile], filesToGenerate: [String]) {
    self.files = files
    self.filesToGenerate = filesToGenerate
  }
}

/// One `.proto` file.
public struct SchemaFile: Sendable, Equatable {
  /// The path that protoc knows it by: "integrationmanager/v1/agent.proto".
  public var name: String
  /// The package: "integrationmanager.v1".
  public var package: String
  /// "proto2" or "proto3".
  public var syntax: String
  /// Messages, those inside others included, in the order of the file.
  public var messages: [SchemaMessage]
  /// Enums, those inside messages included.
  public var enums: [SchemaEnum]
  /// Services.
  public var services: [SchemaService]

  /// Makes a file.
  public init(
    name: String, package: String, syntax: String, messages: [SchemaMessage] = [],
    enums: [SchemaEnum] = [], services: [SchemaService] = []
  ) {
    self.name = name
    self.package = package
    self.syntax = syntax
    self.messages = messages
    self.enums = enums
    self.services = services
  }
}

/// What every element of a schema has: where it stands and what its author says about it.
public struct SchemaOrigin: Sendable, Equatable {
  /// Line in the file, from 1; 0 when protoc gave none.
  public var line: Int
  /// Column, from 1.
  public var column: Int
  /// The comment before and the one behind it, without comment marks.
  public var comments: [String]

  /// Makes an origin.
  public init(line: Int = 0, column: Int = 0, comments: [String] = []) {
    self.line = line
    self.column = column
    self.comments = comments
  }
}

/// A message type.
public struct SchemaMessage: Sendable, Equatable {
  /// The full name: "integrationmanager.v1.LogReport".
  public var fullName: String
  /// The names from the file's level down: one, unless it lies in another message.
  public var path: [String]
  /// Its fields, in the order of the file.
  public var fields: [SchemaField]
  /// Names of its oneofs, with their comments.
  public var oneofs: [SchemaOneof]
  /// Whether protoc made it for a map field.
  public var isMapEntry: Bool
  /// Where it stands.
  public var origin: SchemaOrigin

  /// Makes a message type.
  public init(
    fullName: String, path: [String], fields: [SchemaField], oneofs: [SchemaOneof] = [],
    isMapEntry: Bool = false, origin: SchemaOrigin = SchemaOrigin()
  ) {
    self.fullName = fullName
    self.path = path
    self.fields = fields
    self.oneofs = oneofs
    self.isMapEntry = isMapEntry
    self.origin = origin
  }
}

/// A oneof of a message.
public struct SchemaOneof: Sendable, Equatable {
  /// Its name.
  public var name: String
  /// Where it stands.
  public var origin: SchemaOrigin

  /// Makes a oneof.
  public init(name: String, origin: SchemaOrigin = SchemaOrigin()) {
    self.name = name
    self.origin = origin
  }
}

/// A field's type as the schema writes it.
public enum SchemaType: Sendable, Equatable {
  case double, float, int32, int64, uint32, uint64, sint32, sint64
  case fixed32, fixed64, sfixed32, sfixed64, bool, string, bytes, group
  /// A message, by its full name.
  case message(String)
  /// An enum, by its full name.
  case enumeration(String)
}

/// A field of a message.
public struct SchemaField: Sendable, Equatable {
  /// What a field may be besides one value.
  public enum Label: Sendable, Equatable {
    /// One value.
    case single
    /// `repeated`, and maps.
    case repeated
    /// `optional` in a proto3 file.
    case proto3Optional
    /// `required` in a proto2 file.
    case required
  }

  /// Its name: "lease_token".
  public var name: String
  /// Its name in JSON: "leaseToken".
  public var jsonName: String
  /// Its number.
  public var number: Int32
  /// Its type.
  public var type: SchemaType
  /// Whether it is repeated, optional, required.
  public var label: Label
  /// Which of the message's oneofs it belongs to.
  public var oneof: Int?
  /// Where it stands.
  public var origin: SchemaOrigin

  /// Makes a field.
  public init(name: String, jsonName: String, number: Int32, type: SchemaType) {
    self.name = name
    self.jsonName = jsonName
    self.number = number
    self.type = type
    label = .single
    oneof = nil
    origin = SchemaOrigin()
  }
}

/// An enum type.
public struct SchemaEnum: Sendable, Equatable {
  /// The full name.
  public var fullName: String
  /// The names from the file's level down.
  public var path: [String]
  /// Its values, in the order of the file.
  public var values: [SchemaEnumValue]
  /// Where it stands.
  public var origin: SchemaOrigin

  /// Makes an enum type.
  public init(
    fullName: String, path: [String], values: [SchemaEnumValue],
    origin: SchemaOrigin = SchemaOrigin()
  ) {
    self.fullName = fullName
    self.path = path
    self.values = values
    self.origin = origin
  }
}

/// One name of an enum.
public struct SchemaEnumValue: Sendable, Equatable {
  /// Its name: "LOG_STATUS_QUEUED".
  public var name: String
  /// Its number.
  public var number: Int32
  /// Where it stands.
  public var origin: SchemaOrigin

  /// Makes a value.
  public init(name: String, number: Int32, origin: SchemaOrigin = SchemaOrigin()) {
    self.name = name
    self.number = number
    self.origin = origin
  }
}

/// A service.
public struct SchemaService: Sendable, Equatable {
  /// Its name: "AgentService".
  public var name: String
  /// Its methods, in the order of the file.
  public var methods: [SchemaMethod]
  /// Where it stands.
  public var origin: SchemaOrigin

  /// Makes a service.
  public init(name: String, methods: [SchemaMethod], origin: SchemaOrigin = SchemaOrigin()) {
    self.name = name
    self.methods = methods
    self.origin = origin
  }
}

/// A method of a service.
public struct SchemaMethod: Sendable, Equatable {
  /// Its name: "Heartbeat".
  public var name: String
  /// The request's message, by its full name.
  public var input: String
  /// The response's message, by its full name.
  public var output: String
  /// Whether the client sends a stream.
  public var isClientStreaming = false
  /// Whether the server sends a stream.
  public var isServerStreaming = false
  /// `rpc.v1.method_id`; nil when the schema names none.
  public var id: UInt64?
  /// `rpc.v1.default_deadline_ms`; nil when the schema names none.
  public var defaultDeadlineMs: UInt64?
  /// Where it stands.
  public var origin = SchemaOrigin()

  /// Makes a method.
  public init(name: String, input: String, output: String) {
    self.name = name
    self.input = input
    self.output = output
  }
}

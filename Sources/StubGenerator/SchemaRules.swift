/// What is wrong with a schema, and where.
public struct SchemaFault: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file's name.
  public var file: String
  /// Line and column, from 1; 0 when protoc gave none.
  public var line: Int
  /// Column, from 1.
  public var column: Int
  /// What is wrong and what to do.
  public var message: String

  /// `file:line:column: message`, as compilers print it.
  public var description: String { "\(file):\(line):\(column): \(message)" }
}

/// All that is wrong with a schema.
public struct SchemaFaults: Error, Sendable, Equatable {
  /// In the order of the files.
  public var faults: [SchemaFault]
}

/// Finds what the runtime cannot carry.
struct SchemaRules {
  let schema: Schema
  let table: TypeTable

  init(_ schema: Schema) {
    self.schema = schema
    table = TypeTable(schema)
  }

  func check() -> [SchemaFault] { [] }
}

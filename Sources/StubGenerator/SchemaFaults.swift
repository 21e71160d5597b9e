/// What is wrong with a schema, and where.
public struct SchemaFault: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file's name.
  public var file: String
  /// The line, from 1; 0 when protoc gave none.
  public var line: Int
  /// The column, from 1; 0 when protoc gave none.
  public var column: Int
  /// What is wrong and what to do.
  public var message: String

  init(_ file: SchemaFile, _ origin: SchemaOrigin, _ message: String) {
    self.file = file.name
    line = origin.line
    column = origin.column
    self.message = message
  }

  /// `file:line:column: message`, as compilers print it.
  public var description: String { "\(file):\(line):\(column): \(message)" }
}

/// All that is wrong with a schema.
public struct SchemaFaults: Error, Sendable, Equatable, CustomStringConvertible {
  /// In the order of the files.
  public var faults: [SchemaFault]

  /// One line for each.
  public var description: String { faults.map(\.description).joined(separator: "\n") }
}

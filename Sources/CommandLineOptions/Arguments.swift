import Glibc

/// The values of one command line, checked and typed.
public struct Arguments: Sendable {
  /// The commands that were named, below the program: `["logs", "list"]`.
  public internal(set) var path: [String] = []
  var flagValues: [String: any Sendable] = [:]
  var positionalValues: [String: any Sendable] = [:]
  var sources: [String: ValueSource] = [:]

  /// A flag's value: from the command line, else its environment variable, else its default.
  public subscript<Value>(flag: Flag<Value>) -> Value {
    guard let value = flagValues[flag.declaration.name.long] as? Value else {
      preconditionFailure("--\(flag.declaration.name.long) is not declared by \(path)")
    }
    return value
  }

  /// An argument's value.
  public subscript<Value>(positional: Positional<Value>) -> Value {
    guard let value = positionalValues[positional.declaration.placeholder] as? Value else {
      preconditionFailure("\(positional.declaration.placeholder) is not declared by \(path)")
    }
    return value
  }

  /// Whether the command line or the environment gave the flag; false when the default stands.
  public func isGiven(_ flag: any DeclaredFlag) -> Bool {
    source(of: flag) != .byDefault
  }

  /// Where a flag's value comes from.
  public func source(of flag: any DeclaredFlag) -> ValueSource {
    sources[flag.declaration.name.long] ?? .byDefault
  }

  /// Whether the command that was named understands the flag.
  public func declares(_ flag: any DeclaredFlag) -> Bool {
    flagValues[flag.declaration.name.long] != nil
  }

  /// Gives a flag another value, such as one that stands in a configuration file; it counts as
  /// given by default.
  public mutating func replace<Value: Sendable>(_ flag: Flag<Value>, with value: Value) {
    flagValues[flag.declaration.name.long] = value
  }
}

/// Where a flag's value comes from.
public enum ValueSource: Sendable, Equatable {
  /// The command line.
  case commandLine
  /// The flag's environment variable.
  case environment
  /// Neither: its default.
  case byDefault
}

/// A command line that a program cannot follow; it ends with exit code 2.
public struct UsageError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What is wrong, with what was expected and what came.
  public let message: String
  /// What to do next: a suggestion or the help command.
  public let hint: String

  /// A usage error.
  public init(_ message: String, hint: String) {
    self.message = message
    self.hint = hint
  }

  /// Both lines.
  public var description: String { hint.isEmpty ? message : "\(message)\n\(hint)" }
}

/// Where a program reads its environment variables.
public struct Environment: Sendable {
  private let lookup: @Sendable (String) -> String?

  /// Variables given as a table; for tests.
  public init(_ variables: [String: String]) {
    lookup = { variables[$0] }
  }

  private init(lookup: @escaping @Sendable (String) -> String?) { self.lookup = lookup }

  /// The process's own variables.
  public static let process = Environment(lookup: { name in
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  })

  /// A variable's value; nil when it is not set or empty.
  public subscript(_ name: String) -> String? {
    guard let value = lookup(name), !value.isEmpty else { return nil }
    return value
  }
}

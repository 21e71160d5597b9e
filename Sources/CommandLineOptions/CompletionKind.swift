/// What completes a value that only the program can list, such as names that a server knows.
///
/// A form names the kind; the program that asks for completion looks the values up.
public struct CompletionKind: Sendable, Hashable {
  /// The kind's name within the program: `integrations`.
  public let name: String

  /// A kind of the program's own.
  public init(_ name: String) { self.name = name }

  /// Paths of files, which the shell completes.
  public static let files = CompletionKind("files")
  /// Paths of directories, which the shell completes.
  public static let directories = CompletionKind("directories")
}

/// One word that could stand where the cursor is.
public struct CompletionCandidate: Sendable, Equatable {
  /// The whole word.
  public let value: String
  /// A few words about it, for shells that show them.
  public let about: String

  /// A candidate.
  public init(_ value: String, _ about: String = "") {
    self.value = value
    self.about = about
  }
}

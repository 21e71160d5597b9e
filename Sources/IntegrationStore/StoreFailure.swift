import IntegrationModel

/// Why one command was refused; the store goes on.
public struct StoreFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// What sort of refusal; maps one to one to a code of `google.rpc.Code`.
  public enum Kind: Sendable {
    /// A field is wrong whatever is stored.
    case invalidArgument
    /// What was named does not exist.
    case notFound
    /// It exists already.
    case alreadyExists
    /// Not in this state.
    case failedPrecondition
    /// Somebody else was faster.
    case aborted
    /// A limit or the disk is reached.
    case resourceExhausted
    /// The store is closed or has failed.
    case unavailable
    /// An own fault that concerns this command alone.
    case internalError
  }

  /// What sort of refusal.
  public var kind: Kind
  /// Stable and for programs: `LOG_FINAL`.
  public var reason: String
  /// One sentence: what was expected, what came, what to do.
  public var message: String
  /// Wrong fields.
  public var issues: [FieldIssue]

  /// Makes a failure.
  public init(_ kind: Kind, _ reason: String, _ message: String, issues: [FieldIssue] = []) {
    self.kind = kind
    self.reason = reason
    self.message = message
    self.issues = issues
  }

  /// Reason and message.
  public var description: String { "\(reason): \(message)" }
}

/// Why a store cannot be opened, or has ended.
public struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What happened.
  public struct Code: Hashable, Sendable {
    private enum Value: Sendable {
      case inUse, newerSchema, permission, notADirectory, damaged, mendable, input, closed
    }
    private let value: Value
    /// Another server uses the data directory.
    public static let inUse = Code(value: .inUse)
    /// A newer program wrote the data.
    public static let newerSchema = Code(value: .newerSchema)
    /// The file system refuses access.
    public static let permission = Code(value: .permission)
    /// The path names something else than a directory.
    public static let notADirectory = Code(value: .notADirectory)
    /// The files are no database of this program, or they are damaged.
    public static let damaged = Code(value: .damaged)
    /// A part is damaged that can be made again from others.
    public static let mendable = Code(value: .mendable)
    /// Reading or writing failed.
    public static let inputOutput = Code(value: .input)
    /// The store was closed.
    public static let closed = Code(value: .closed)
  }

  /// What happened.
  public var code: Code
  /// One sentence: what was expected, what came, what to do.
  public var message: String

  /// Makes an error.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The message.
  public var description: String { message }
}

/// The outcome of a call, numbered as in google.rpc.Code; 0 is success.
///
/// A struct with static members rather than an enum, so that a code that this version does not
/// know travels through unchanged and a new one breaks nobody.
public struct StatusCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  /// The number that a REPLY frame carries.
  public let rawValue: UInt16

  /// Makes a code from its number; every number is allowed.
  public init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  /// Success.
  public static let ok = StatusCode(rawValue: 0)
  /// The caller ended the call.
  public static let cancelled = StatusCode(rawValue: 1)
  /// An error that carries no better code.
  public static let unknown = StatusCode(rawValue: 2)
  /// The call's input is wrong whatever the state of the server.
  public static let invalidArgument = StatusCode(rawValue: 3)
  /// The deadline passed before the reply.
  public static let deadlineExceeded = StatusCode(rawValue: 4)
  /// What the call names does not exist.
  public static let notFound = StatusCode(rawValue: 5)
  /// What the call would make exists.
  public static let alreadyExists = StatusCode(rawValue: 6)
  /// The caller is known and may not do this.
  public static let permissionDenied = StatusCode(rawValue: 7)
  /// A limit is reached; trying later may help.
  public static let resourceExhausted = StatusCode(rawValue: 8)
  /// The state of the server does not allow this call now.
  public static let failedPrecondition = StatusCode(rawValue: 9)
  /// The call lost against another one.
  public static let aborted = StatusCode(rawValue: 10)
  /// A position is outside of what exists.
  public static let outOfRange = StatusCode(rawValue: 11)
  /// The method or the option does not exist here.
  public static let unimplemented = StatusCode(rawValue: 12)
  /// The server broke one of its own rules.
  public static let internalError = StatusCode(rawValue: 13)
  /// The server cannot be reached or is going away; the call may be repeated.
  public static let unavailable = StatusCode(rawValue: 14)
  /// Stored data is damaged.
  public static let dataLoss = StatusCode(rawValue: 15)
  /// The caller is not known.
  public static let unauthenticated = StatusCode(rawValue: 16)

  /// The name as google.rpc.Code writes it, such as `NOT_FOUND`; `CODE_99` for an unknown number.
  public var name: String {
    Int(rawValue) < Self.names.count ? Self.names[Int(rawValue)] : "CODE_\(rawValue)"
  }

  /// The same as `name`.
  public var description: String { name }

  private static let names = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
  ]
}

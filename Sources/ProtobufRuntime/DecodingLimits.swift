/// What a decoder accepts before it refuses a message.
public struct DecodingLimits: Sendable, Equatable {
  /// How deep messages may lie in messages; the outermost is 1.
  ///
  /// The default of 32 is several times what the schema needs, whose messages are never recursive.
  public var maximumNesting: Int
  /// How many fields a message may have in all, with those of its submessages.
  ///
  /// The default of 262,144 lets a full frame of record errors pass.
  public var maximumFields: Int
  /// How much memory the decoded message may take.
  ///
  /// The default of 32 MiB is eight times the largest frame: a short field costs more in memory
  /// than on the wire.
  public var maximumMemoryBytes: Int

  /// Makes limits; see each property for its default's reason.
  public init(
    maximumNesting: Int = 32, maximumFields: Int = 262_144,
    maximumMemoryBytes: Int = 32 * 1024 * 1024
  ) {
    self.maximumNesting = maximumNesting
    self.maximumFields = maximumFields
    self.maximumMemoryBytes = maximumMemoryBytes
  }

  /// The defaults.
  public static let standard = DecodingLimits()
}

/// Why bytes are no message, and where.
public struct DecodingError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What kind of trouble it is.
  public enum Kind: Sendable, Equatable {
    /// The bytes end inside a field.
    case truncated
    /// A varint has more than ten bytes, or a field's number is 0 or beyond 536,870,911.
    case malformed
    /// A group, or one of the unassigned wire types.
    case wireTypeUnsupported
    /// A known field came with another wire type than its own.
    case wireTypeWrong
    /// `DecodingLimits.maximumNesting` is passed.
    case nestingTooDeep
    /// `DecodingLimits.maximumFields` is passed.
    case tooManyFields
    /// `DecodingLimits.maximumMemoryBytes` is passed.
    case memoryBudgetExceeded
    /// A text field is not valid UTF-8.
    case textNotUTF8
    /// A text field contains a NUL.
    case textContainsNUL
  }

  /// What kind of trouble it is.
  public var kind: Kind
  /// Where in the payload, in bytes from its start.
  public var offset: Int
  /// The field's path as in the schema, "report.entity.id"; empty where no known field is meant.
  public var field: String
  /// What was expected, what came, which limit.
  ///
  /// Safe to show and to log.
  public var description: String

  init(_ kind: Kind, offset: Int, field: String = "", _ description: String) {
    self.kind = kind
    self.offset = offset
    self.field = field
    self.description = description
  }
}

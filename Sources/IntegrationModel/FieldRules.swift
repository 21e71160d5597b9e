/// One field that is wrong, and what was expected of it.
public struct FieldIssue: Hashable, Sendable {
  /// The field's path in the message: `report.entity.id`.
  public var field: String
  /// What was expected, what came, which limit.
  public var description: String

  /// Makes an issue.
  public init(field: String, description: String) {
    self.field = field
    self.description = description
  }
}

/// The limits of texts and lists, and what is said when one is broken.
///
/// Each check answers nil or a sentence. Texts are UTF-8 without NUL already: the codec refuses
/// others.
public enum FieldRules {
  /// Ids, names and types: `[a-z0-9][a-z0-9_.-]{0,127}`.
  public static let maximumNameBytes = 128
  /// Entity ids, label keys and values, idempotency keys.
  public static let maximumShortTextBytes = 256
  /// Status messages, reasons, descriptions, the texts of record errors.
  public static let maximumMessageBytes = 4_096
  /// Inputs, results and input schemas.
  public static let maximumDocumentBytes = 262_144
  /// Labels of one log.
  public static let maximumLabels = 32
  /// Record errors of one report.
  public static let maximumRecordErrors = 1_000
  /// Reports of one batch, requests of one poll, logs of one page.
  public static let maximumItems = 1_000
  /// Actions of one registration.
  public static let maximumActions = 200
  /// Leases of one heartbeat, and so leases of one agent.
  public static let maximumLeases = 1_000
  /// How far a log id's time may lie ahead of the server's clock, in milliseconds: 10 minutes.
  ///
  /// Logs are listed in the order of their ids; one from the far future would head every list.
  public static let maximumClockAheadMs: Int64 = 600_000

  /// Checks an id, name or type.
  public static func complaint(name text: UnsafeRawBufferPointer) -> String? {
    guard text.count > 0 else { return "\(nameRule); it is empty" }
    guard text.count <= maximumNameBytes else { return "\(nameRule); it has \(text.count) bytes" }
    for position in 0..<text.count where unsafe !isNameByte(text[position], at: position) {
      return "\(nameRule); byte \(position + 1) is another"
    }
    return nil
  }

  /// Made only when a name is refused: each report checks several names.
  private static var nameRule: String {
    "expected [a-z0-9][a-z0-9_.-]*, 1 to \(maximumNameBytes) bytes"
  }

  /// Checks an id, name or type.
  public static func complaint(name text: String) -> String? {
    var copy = text
    return copy.withUTF8 { unsafe complaint(name: UnsafeRawBufferPointer($0)) }
  }

  /// Checks a text's length in bytes; 0 is fine.
  public static func complaint(bytes: Int, maximum: Int) -> String? {
    bytes <= maximum ? nil : "expected at most \(maximum) bytes; it has \(bytes)"
  }

  /// Checks how many items a list has.
  public static func complaint(count: Int, maximum: Int) -> String? {
    count <= maximum ? nil : "expected at most \(maximum) items; it has \(count)"
  }

  /// Checks a log id that an agent made.
  public static func complaint(logID: LogID?) -> String? {
    guard let logID else { return "expected a UUID of version 7 as 36 characters" }
    guard logID.isVersion7 else { return "expected a UUID of version 7; its version is another" }
    return nil
  }

  /// Whether a log id is of a time so far ahead of the server's that no log is made with it.
  public static func isAhead(_ logID: LogID, of now: Instant) -> Bool {
    logID.time.milliseconds(since: now) > maximumClockAheadMs
  }

  /// What is said of an id that is ahead, where no log has it.
  public static func aheadComplaint(logID: LogID, now: Instant) -> String {
    "its time is \(logID.time.milliseconds(since: now) / 1000) s ahead of the server's clock, at "
      + "most \(maximumClockAheadMs / 1000) s are taken; set the agent's clock"
  }

  private static func isNameByte(_ byte: UInt8, at position: Int) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"): position > 0
    default: false
    }
  }
}

/// How an attempt ended, as its handler says.
public struct JobOutcome: Sendable, Equatable {
  /// The kinds of ends that an agent reports.
  public enum Kind: Sendable, Equatable {
    /// The work is done.
    case completed
    /// The work is not done, and the message says what to fix.
    case failed
    /// The work was stopped because somebody asked for that.
    case cancelled
  }

  /// How it ended.
  public var kind: Kind
  /// One sentence for people; cut at 4 KiB.
  public var message: String
  /// What the work brought, as JSON; empty: nothing.
  ///
  /// Up to 256 KiB.
  public var result: String
  /// With `failed`: the action's retry policy may try again.
  public var isRetryable = false
  /// With `isRetryable`: not before this time.
  public var retryAfter: Duration = .zero

  /// The work is done; `result` is JSON.
  public static func completed(_ message: String, result: String = "") -> JobOutcome {
    JobOutcome(kind: .completed, message: message, result: result)
  }

  /// The work is done; `result` becomes a JSON object of texts.
  public static func completed(
    _ message: String, result: KeyValuePairs<String, String>
  ) -> JobOutcome {
    JobOutcome(kind: .completed, message: message, result: JSONText.object(result))
  }

  /// The work is not done.
  ///
  /// `message` says what to fix, in words for the person who reads the log.
  public static func failed(_ message: String, result: String = "") -> JobOutcome {
    JobOutcome(kind: .failed, message: message, result: result)
  }

  /// The work is not done for a reason that may pass: the policy may try again after a while.
  public static func failedForNow(_ message: String, retryAfter: Duration = .zero) -> JobOutcome {
    JobOutcome(
      kind: .failed, message: message, result: "", isRetryable: true, retryAfter: retryAfter)
  }

  /// The work was stopped because somebody asked for that.
  public static func cancelled(_ message: String) -> JobOutcome {
    JobOutcome(kind: .cancelled, message: message, result: "")
  }
}

/// Writes the little JSON that outcomes carry.
enum JSONText {
  static func object(_ fields: KeyValuePairs<String, String>) -> String {
    "{" + fields.map { "\(string($0)):\(string($1))" }.joined(separator: ",") + "}"
  }

  /// A JSON string with the escapes of RFC 8259, section 7.
  static func string(_ text: String) -> String {
    var json = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": json += "\\\""
      case "\\": json += "\\\\"
      case "\n": json += "\\n"
      case "\r": json += "\\r"
      case "\t": json += "\\t"
      case "\u{0}"..."\u{1F}":
        let digits = String(scalar.value, radix: 16)
        json += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: json.unicodeScalars.append(scalar)
      }
    }
    return json + "\""
  }
}

import CommandLineOptions

// The grammar of what operators type, checked before anything is sent.

extension ValueForm where Value == String {
  /// A name or type: `[a-z0-9][a-z0-9_.-]{0,127}`.
  static func name(_ placeholder: String) -> ValueForm {
    ValueForm(placeholder) { text throws(ValueProblem) in
      let isRight =
        (1...128).contains(text.utf8.count)
        && text.utf8.allSatisfy { byte in
          (97...122).contains(byte) || (48...57).contains(byte) || "_.-".utf8.contains(byte)
        } && !"_.-".contains(text.prefix(1))
      guard isRight else {
        throw ValueProblem(
          expected:
            "up to 128 of a-z, 0-9, \"_\", \".\" and \"-\", beginning with a letter or digit")
      }
      return text
    }.completed(with: .named(placeholder))
  }

  /// A log's id, or its beginning of at least 8 characters; upper-case letters are folded.
  static var logID: ValueForm {
    ValueForm("LOG_ID") { text throws(ValueProblem) in
      let folded = text.lowercased()
      let isRight =
        (8...36).contains(folded.utf8.count)
        && folded.utf8.allSatisfy {
          (48...57).contains($0) || (97...102).contains($0) || $0 == UInt8(ascii: "-")
        }
      guard isRight else {
        throw ValueProblem(
          expected: "a log's id such as 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37, or at least its "
            + "first 8 characters (see: integrationctl logs list)")
      }
      return folded
    }
  }

  /// A key's id, the 8 characters behind `imk_`; of a whole key only these are used.
  static var keyID: ValueForm {
    credentialID("KEY_ID", prefix: "imk_", of: "key").completed(with: .keys)
  }

  /// A token's id, the 8 characters behind `imo_`; of a whole token only these are used.
  static var tokenID: ValueForm {
    credentialID("TOKEN_ID", prefix: "imo_", of: "token").completed(with: .tokens)
  }

  private static func credentialID(
    _ placeholder: String, prefix: String, of kind: String
  ) -> ValueForm {
    ValueForm(placeholder) { text throws(ValueProblem) in
      let isWhole = text.hasPrefix(prefix)
      let id = String((isWhole ? text.dropFirst(4) : text[...]).prefix(isWhole ? 8 : 64))
      let isRight =
        id.utf8.count == 8
        && id.utf8.allSatisfy { byte in
          (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
        }
      guard isRight else {
        throw ValueProblem(
          expected: "the 8 letters and digits that follow \(prefix) in the \(kind)")
      }
      return id
    }
  }

  /// Text of at most so many bytes, the limit that the server has for the field.
  static func text(_ placeholder: String, maximumBytes: Int) -> ValueForm {
    ValueForm(placeholder) { text throws(ValueProblem) in
      guard text.utf8.count <= maximumBytes else {
        throw ValueProblem(expected: "at most \(maximumBytes) bytes (this has \(text.utf8.count))")
      }
      return text
    }
  }

  /// An entity's id: 1 to 256 bytes.
  static var entityID: ValueForm {
    ValueForm("ENTITY_ID") { text throws(ValueProblem) in
      guard (1...256).contains(text.utf8.count) else {
        throw ValueProblem(expected: "1 to 256 bytes")
      }
      return text
    }
  }
}

extension ValueForm where Value == WallTime {
  /// RFC 3339, a date, or a span before now.
  static func time(now: @escaping @Sendable () -> WallTime = { .now }) -> ValueForm {
    ValueForm(
      "TIME",
      parse: { text throws(ValueProblem) in
        guard let time = TimeText.parse(text, now: now()) else {
          throw ValueProblem(
            expected: "a time such as 2026-11-24T08:30:00Z, a date such as 2026-11-24, or how long "
              + "ago: 15m, 2d")
        }
        return time
      },
      format: TimeText.rfc3339)
  }
}

extension ValueForm where Value == WallTime {
  /// A moment to come: RFC 3339, a date, or a span from now on.
  static func timeToCome(now: @escaping @Sendable () -> WallTime = { .now }) -> ValueForm {
    ValueForm("TIME") { text throws(ValueProblem) in
      let start = now()
      if let span = TimeText.milliseconds(ofSpan: text), (1...366 * 86_400_000).contains(span) {
        return WallTime(milliseconds: start.milliseconds + span)
      }
      guard let time = TimeText.parse(text, now: start), time > start else {
        throw ValueProblem(
          expected: "a time to come such as 2026-11-24T18:00:00Z, or how long from now: 15m, 2d")
      }
      return time
    }
  }
}

/// A label to look for or to set.
struct Label: Sendable, Equatable {
  let key: String
  let value: String
}

extension ValueForm where Value == Label {
  /// `key=value`.
  static var label: ValueForm {
    ValueForm("KEY=VALUE") { text throws(ValueProblem) in
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty, text.utf8.count <= 513 else {
        throw ValueProblem(expected: "key=value, each up to 256 bytes")
      }
      return Label(key: String(parts[0]), value: String(parts[1]))
    }
  }
}

extension ValueForm where Value: NamedChoice {
  /// One of an API enum's names, in any case, with `-` for `_` as people type.
  static func apiChoice(_ placeholder: String) -> ValueForm {
    let names = Value.choices.map(\.choiceName)
    return ValueForm(
      placeholder, choices: names,
      parse: { text throws(ValueProblem) in
        let folded = text.uppercased().split(separator: "-").joined(separator: "_")
        guard let value = Value.choices.first(where: { $0.choiceName == folded }) else {
          let near = Suggestions.nearest(to: folded, among: names)
          throw ValueProblem(
            expected: "one of \(names.joined(separator: ", "))"
              + (near.map { " (did you mean \($0)?)" } ?? ""))
        }
        return value
      },
      format: { $0.choiceName })
  }
}

/// An enum of the API that operators name on the command line.
protocol NamedChoice: Sendable {
  /// All but UNSPECIFIED, in the schema's order.
  static var choices: [Self] { get }
  /// The name without the enum's prefix: `IN_PROGRESS`.
  var choiceName: String { get }
}

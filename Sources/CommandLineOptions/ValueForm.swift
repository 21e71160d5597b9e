/// What was wrong with one value, in words that complete "expected …".
public struct ValueProblem: Error, Equatable, Sendable {
  /// What a right value looks like: "a whole number from 1 to 1000".
  public let expected: String

  /// A problem that says what a right value looks like.
  public init(expected: String) { self.expected = expected }
}

/// How the text of a flag or argument becomes a value, and back for `--help`.
///
/// A form is the one place that knows a value's grammar: parsing, the placeholder in the usage
/// line, the choices that completion offers, and the sentence of an error all come from it.
public struct ValueForm<Value: Sendable>: Sendable {
  /// What stands for the value in help: `ADDRESS`.
  public let placeholder: String
  /// All values, where they can be listed; empty otherwise.
  public let choices: [String]
  /// Reads one value; throws with what was expected.
  public let parse: @Sendable (String) throws(ValueProblem) -> Value
  /// Writes a value as `parse` reads it; used for defaults in help.
  public let format: @Sendable (Value) -> String
  /// What completes a value that cannot be listed here; nil: nothing does.
  public private(set) var completion: CompletionKind?

  /// A form of the program's own.
  public init(
    _ placeholder: String,
    choices: [String] = [],
    parse: @escaping @Sendable (String) throws(ValueProblem) -> Value,
    format: @escaping @Sendable (Value) -> String = { "\($0)" }
  ) {
    self.placeholder = placeholder
    self.choices = choices
    self.parse = parse
    self.format = format
  }

  /// The same form under another placeholder.
  public func named(_ placeholder: String) -> ValueForm {
    var form = ValueForm(placeholder, choices: choices, parse: parse, format: format)
    form.completion = completion
    return form
  }

  /// The same form, completed with what the program knows of this kind.
  public func completed(with kind: CompletionKind?) -> ValueForm {
    var form = self
    form.completion = kind
    return form
  }
}

extension ValueForm where Value == String {
  /// Any text that is not empty.
  public static var text: ValueForm {
    ValueForm("TEXT") { text throws(ValueProblem) in
      guard !text.isEmpty else { throw ValueProblem(expected: "some text") }
      return text
    }
  }

  /// Any text, also none: to empty a field.
  public static var textOrEmpty: ValueForm {
    ValueForm("TEXT") { text throws(ValueProblem) in text }
  }

  /// The path of a file or directory.
  public static var path: ValueForm {
    ValueForm("PATH") { text throws(ValueProblem) in
      guard !text.isEmpty else { throw ValueProblem(expected: "a path") }
      return text
    }.completed(with: .files)
  }
}

extension ValueForm where Value: FixedWidthInteger {
  /// A whole number in a range, in decimal digits.
  public static func integer(_ range: ClosedRange<Value>) -> ValueForm {
    ValueForm("N") { text throws(ValueProblem) in
      guard let value = Value(text), range.contains(value) else {
        throw ValueProblem(
          expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }
  }
}

extension ValueForm where Value == Duration {
  /// A span such as `500ms`, `15m`, `1h30m` or `2d`, within a range.
  public static func duration(_ range: ClosedRange<Duration>) -> ValueForm {
    let bounds =
      "\(DurationText.format(range.lowerBound)) to \(DurationText.format(range.upperBound))"
    return ValueForm(
      "DURATION",
      parse: { text throws(ValueProblem) in
        guard let value = DurationText.parse(text), range.contains(value) else {
          throw ValueProblem(expected: "a span such as 500ms, 15m or 2d, from \(bounds)")
        }
        return value
      },
      format: DurationText.format)
  }
}

extension ValueForm where Value == Int {
  /// A number of bytes such as `4096`, `64KiB` or `4MiB`, within a range.
  public static func byteCount(_ range: ClosedRange<Int>) -> ValueForm {
    let bounds =
      "\(ByteCountText.format(range.lowerBound)) to \(ByteCountText.format(range.upperBound))"
    return ValueForm(
      "BYTES",
      parse: { text throws(ValueProblem) in
        guard let value = ByteCountText.parse(text), range.contains(value) else {
          throw ValueProblem(expected: "bytes such as 4096, 64KiB or 4MiB, from \(bounds)")
        }
        return value
      },
      format: ByteCountText.format)
  }
}

extension ValueForm where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
  /// One of an enum's raw values, exactly as written.
  public static func choice(_ placeholder: String) -> ValueForm {
    let choices = Value.allCases.map(\.rawValue)
    return ValueForm(
      placeholder, choices: choices,
      parse: { text throws(ValueProblem) in
        guard let value = Value(rawValue: text) else {
          throw ValueProblem(expected: Suggestions.oneOf(choices, got: text))
        }
        return value
      },
      format: { $0.rawValue })
  }
}

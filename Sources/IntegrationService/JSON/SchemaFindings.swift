/// Something in an input that its schema does not allow, before it is put into words.
///
/// Most of what is found is dropped: a form of `anyOf` does not fit and another does.
struct SchemaFinding {
  let place: [Step]
  let problem: Problem

  /// From a value to one in it.
  enum Step: Equatable {
    case member(String)
    case item(Int)
  }

  indirect enum Problem {
    case nothingAllowed
    case type(JSONTypes, JSONValue)
    case noChoice([JSONValue])
    case other(than: JSONValue)
    /// Fits none of so many forms.
    case noForm(of: Int, nearest: SchemaFinding)
    case forms(Int, of: Int)
    case forbiddenForm
    case tooFew(Double, SchemaCount, Int)
    case tooMany(Double, SchemaCount, Int)
    case bound(SchemaBound, Double, Double)
    case missing
    case undeclared
    case repeated
  }
}

// MARK: - Words

extension SchemaFinding {
  /// Longer words are cut, so that no schema and no input make an answer long.
  static let maximumBytes = 1_024
  /// How much of one text from a schema or an input is shown.
  private static let shownBytes = 128

  var violation: InputSchema.Violation {
    InputSchema.Violation(path: path, description: description)
  }

  private var path: String {
    var path = "input"
    for step in place where path.utf8.count < Self.maximumBytes {
      switch step {
      case .member(let name): path += "." + Self.cut(name, Self.shownBytes)
      case .item(let index): path += "[\(index)]"
      }
    }
    return path
  }

  private var description: String { Self.cut(words, Self.maximumBytes) }

  private var words: String {
    switch problem {
    case .nothingAllowed: "nothing is allowed here"
    case .type(let types, let value): "expected \(Self.names(types)), got \(value.kindName)"
    case .noChoice(let values):
      "expected one of \(values.prefix(10).map(Self.shown).joined(separator: ", "))"
    case .other(let only): "expected \(Self.shown(only))"
    case .noForm(let count, let nearest):
      "fits none of \(count) forms; the nearest fails with: "
        + (nearest.place == place ? "" : "\(nearest.path): ") + nearest.description
    case .forms(let fitting, let count):
      "fits \(fitting) of \(count) forms; expected exactly one"
    case .forbiddenForm: "has a form that is not allowed"
    case .tooFew(let least, let count, let got):
      "at least \(Self.shown(least)) \(count), got \(got)"
    case .tooMany(let most, let count, let got): "at most \(Self.shown(most)) \(count), got \(got)"
    case .bound(let bound, let limit, let got):
      "\(Self.words(bound)) \(Self.shown(limit)), got \(Self.shown(got))"
    case .missing: "required, but missing"
    case .undeclared: "not declared"
    case .repeated: "expected each item once; this one is there before"
    }
  }

  private static func words(_ bound: SchemaBound) -> String {
    switch bound {
    case .minimum: "at least"
    case .maximum: "at most"
    case .exclusiveMinimum: "more than"
    case .exclusiveMaximum: "less than"
    case .multipleOf: "a multiple of"
    }
  }

  private static func names(_ types: JSONTypes) -> String {
    JSONTypes.named.filter { types.contains($0.type) }.map(\.name).joined(separator: " or ")
  }

  private static func shown(_ number: Double) -> String {
    Int64(exactly: number).map { "\($0)" } ?? "\(number)"
  }

  private static func shown(_ value: JSONValue) -> String {
    switch value {
    case .null: "null"
    case .bool(let bool): "\(bool)"
    case .number(let number): shown(number)
    case .string(let text): "\"\(cut(text, shownBytes))\""
    case .array: "an array"
    case .object: "an object"
    }
  }

  /// At most so many bytes of a text, whole scalars, with a mark where more follows.
  private static func cut(_ text: String, _ maximum: Int) -> String {
    guard text.utf8.count > maximum else { return text }
    var end = text.utf8.index(text.startIndex, offsetBy: maximum)
    while end.samePosition(in: text.unicodeScalars) == nil { text.utf8.formIndex(before: &end) }
    return String(text.unicodeScalars[..<end]) + "…"
  }
}

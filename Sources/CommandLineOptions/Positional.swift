/// Everything about one argument without dashes but the type of its value.
public struct PositionalDeclaration: Sendable {
  /// How many words it takes.
  public enum Arity: Sendable, Equatable {
    /// Exactly one.
    case one
    /// One or none.
    case oneOrNone
    /// All that are left, at least one.
    case oneOrMore
    /// All that are left, also none.
    case any
  }

  /// What stands for it in help: `INTEGRATION`.
  public let placeholder: String
  /// One sentence for people, without a full stop.
  public let help: String
  /// How many words it takes.
  public let arity: Arity
  /// All its values, where they can be listed.
  public let choices: [String]
  /// Its value when it is left out.
  let defaultValue: any Sendable
  /// Turns the given words, at least one, into the value.
  let decode: @Sendable ([String]) throws(ValueProblem) -> any Sendable
}

/// What a command takes as its arguments, whatever their types.
public protocol DeclaredPositional: Sendable {
  /// The untyped part.
  var declaration: PositionalDeclaration { get }
}

/// An argument known by its place.
public struct Positional<Value: Sendable>: DeclaredPositional {
  /// The untyped part.
  public let declaration: PositionalDeclaration

  /// An argument that must be given.
  public static func required(_ form: ValueForm<Value>, help: String) -> Positional {
    Positional(
      declaration: PositionalDeclaration(
        placeholder: form.placeholder, help: help, arity: .one, choices: form.choices,
        defaultValue: Never?.none,
        decode: { words throws(ValueProblem) in try form.parse(words[0]) }))
  }

  /// An argument that may be left out.
  public static func optional<Wrapped: Sendable>(
    _ form: ValueForm<Wrapped>, help: String
  ) -> Positional where Value == Wrapped? {
    Positional(
      declaration: PositionalDeclaration(
        placeholder: form.placeholder, help: help, arity: .oneOrNone, choices: form.choices,
        defaultValue: Wrapped?.none,
        decode: { words throws(ValueProblem) in Wrapped?.some(try form.parse(words[0])) }))
  }

  /// Any number of words, also none; only as a command's last argument.
  public static func anyNumber<Element: Sendable>(
    _ form: ValueForm<Element>, help: String
  ) -> Positional where Value == [Element] {
    list(form, arity: .any, help: help)
  }

  /// One or more words; only as a command's last argument.
  public static func list<Element: Sendable>(
    _ form: ValueForm<Element>, help: String
  ) -> Positional where Value == [Element] {
    list(form, arity: .oneOrMore, help: help)
  }

  private static func list<Element: Sendable>(
    _ form: ValueForm<Element>, arity: PositionalDeclaration.Arity, help: String
  ) -> Positional where Value == [Element] {
    Positional(
      declaration: PositionalDeclaration(
        placeholder: form.placeholder, help: help, arity: arity, choices: form.choices,
        defaultValue: [Element](),
        decode: { words throws(ValueProblem) in
          var values: [Element] = []
          for word in words { values.append(try form.parse(word)) }
          return values
        }))
  }
}

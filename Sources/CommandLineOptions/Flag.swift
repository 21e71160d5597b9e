/// The names under which a flag is given.
public struct FlagName: Sendable, Equatable, ExpressibleByStringLiteral {
  /// The long name without dashes: `server`.
  public let long: String
  /// The letter of the short form, if there is one.
  public let short: Character?
  /// The environment variable that sets it when the command line does not.
  public let environment: String?

  /// A flag's names.
  public init(_ long: String, short: Character? = nil, environment: String? = nil) {
    self.long = long
    self.short = short
    self.environment = environment
  }

  /// A flag with a long name only.
  public init(stringLiteral value: String) { self.init(value) }
}

/// Everything about one flag but the type of its value: help, parsing and completion read this.
public struct FlagDeclaration: Sendable {
  /// How it is given.
  public let name: FlagName
  /// What stands for its value in help; nil for a switch, which takes none.
  public let placeholder: String?
  /// All its values, where they can be listed.
  public let choices: [String]
  /// One sentence for people, without a full stop.
  public let help: String
  /// Its default as text; nil when there is none to show.
  public let defaultText: String?
  /// Whether it may be given more than once.
  public let isRepeatable: Bool
  /// What completes its value where the values cannot be listed.
  public internal(set) var completion: CompletionKind?
  /// Whether one word may hold several values parted by commas.
  public internal(set) var isCommaList = false
  /// What the flag means when it stands without a value; nil: it needs one, or takes none.
  public internal(set) var bareText: String?
  /// Its value when neither the command line nor the environment gives one.
  let defaultValue: any Sendable
  /// Turns the given texts, at least one, into the value.
  let decode: @Sendable ([String]) throws(ValueProblem) -> any Sendable
}

/// What a command takes as its flags, whatever their types.
public protocol DeclaredFlag: Sendable {
  /// The untyped part.
  var declaration: FlagDeclaration { get }
}

/// A flag, declared once: its parsing, help, environment variable and default all come from here.
///
/// ```swift
/// let limit = Flag.value("limit", .integer(1...1000), default: 50, help: "how many at most")
/// let count: Int = arguments[limit]
/// ```
public struct Flag<Value: Sendable>: DeclaredFlag {
  /// The untyped part.
  public private(set) var declaration: FlagDeclaration

  /// A flag with one value, and a default.
  public static func value(
    _ name: FlagName, _ form: ValueForm<Value>, default value: Value, help: String
  ) -> Flag {
    Flag(
      declaration: FlagDeclaration(
        name: name, placeholder: form.placeholder, choices: form.choices, help: help,
        defaultText: form.format(value), isRepeatable: false, completion: form.completion,
        defaultValue: value,
        decode: { texts throws(ValueProblem) in try form.parse(texts[texts.count - 1]) }))
  }

  /// A flag with one value, or none at all.
  public static func optional<Wrapped: Sendable>(
    _ name: FlagName, _ form: ValueForm<Wrapped>, help: String
  ) -> Flag where Value == Wrapped? {
    Flag(
      declaration: FlagDeclaration(
        name: name, placeholder: form.placeholder, choices: form.choices, help: help,
        defaultText: nil, isRepeatable: false, completion: form.completion,
        defaultValue: Wrapped?.none,
        decode: { texts throws(ValueProblem) in
          Wrapped?.some(try form.parse(texts[texts.count - 1]))
        }))
  }

  /// A flag that may be given several times, each time with one value; in its environment variable
  /// the values are parted by commas.
  public static func list<Element: Sendable>(
    _ name: FlagName, _ form: ValueForm<Element>, default value: [Element] = [], help: String
  ) -> Flag where Value == [Element] {
    Flag(
      declaration: FlagDeclaration(
        name: name, placeholder: form.placeholder, choices: form.choices, help: help,
        defaultText: value.isEmpty ? nil : value.map(form.format).joined(separator: ","),
        isRepeatable: true, completion: form.completion, defaultValue: value,
        decode: { texts throws(ValueProblem) in
          var values: [Element] = []
          for text in texts { values.append(try form.parse(text)) }
          return values
        }))
  }

  /// A flag whose values may be repeated or parted by commas: `--status FAILED,TIMED_OUT`.
  public static func commaList<Element: Sendable>(
    _ name: FlagName, _ form: ValueForm<Element>, help: String
  ) -> Flag where Value == [Element] {
    Flag(
      declaration: FlagDeclaration(
        name: name, placeholder: form.placeholder + ",…", choices: form.choices, help: help,
        defaultText: nil, isRepeatable: true, completion: form.completion, isCommaList: true,
        defaultValue: [Element](),
        decode: { texts throws(ValueProblem) in
          var values: [Element] = []
          for text in texts {
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
              values.append(try form.parse(String(part)))
            }
          }
          return values
        }))
  }

  /// A flag with one value that may be left out, or none at all: `--watch`, `--watch=5s`,
  /// `--watch 5s`.
  ///
  /// A word behind it is its value only when it reads as one.
  public static func optional<Wrapped: Sendable>(
    _ name: FlagName, _ form: ValueForm<Wrapped>, bare: Wrapped, help: String
  ) -> Flag where Value == Wrapped? {
    var flag = optional(name, form, help: help)
    flag.declaration.bareText = form.format(bare)
    return flag
  }

  /// A switch: given or not, without a value; in its environment variable 1 or 0.
  public static func toggle(_ name: FlagName, help: String) -> Flag where Value == Bool {
    Flag(
      declaration: FlagDeclaration(
        name: name, placeholder: nil, choices: [], help: help, defaultText: nil,
        isRepeatable: false, defaultValue: false,
        decode: { texts throws(ValueProblem) in
          switch texts[texts.count - 1] {
          case "1", "true", "yes", "on": true
          case "0", "false", "no", "off": false
          default: throw ValueProblem(expected: "1 or 0")
          }
        }))
  }
}

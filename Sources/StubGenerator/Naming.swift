/// Names in Swift and in protoc-c's output, from names in the schema.
enum Naming {
  /// Words that Swift API style writes in capitals; the ones that SwiftProtobuf knows.
  private static let initialisms: [String: String] = [
    "id": "ID", "url": "URL", "http": "HTTP", "https": "HTTPS",
  ]

  /// Words of Swift that a member cannot be called without backticks.
  private static let reserved: Set<String> = [
    "associatedtype", "class", "deinit", "enum", "extension", "fileprivate", "func", "import",
    "init", "inout", "internal", "let", "open", "operator", "private", "protocol", "public",
    "rethrows", "static", "struct", "subscript", "typealias", "var", "break", "case", "continue",
    "default", "defer", "do", "else", "fallthrough", "for", "guard", "if", "in", "repeat",
    "return", "switch", "where", "while", "as", "catch", "false", "is", "nil", "super", "self",
    "Self", "throw", "throws", "true", "try", "Type", "Protocol",
  ]

  /// "agent_id" is `agentID`, "lease_ms" is `leaseMs`, "url" is `url`.
  static func member(_ name: String) -> String {
    let words = name.split(separator: "_").map(String.init)
    guard let first = words.first else { return name }
    let rest = words.dropFirst().map { initialisms[$0.lowercased()] ?? capitalised($0) }
    return first.lowercased() + rest.joined()
  }

  /// `name` with backticks where Swift needs them.
  static func escaped(_ name: String) -> String { reserved.contains(name) ? "`\(name)`" : name }

  /// "agent_id" is `AgentID`: the part behind `make` or `set`.
  static func suffix(_ name: String) -> String {
    name.split(separator: "_").map { initialisms[$0.lowercased()] ?? capitalised(String($0)) }
      .joined()
  }

  /// "ReportLog" is `reportLog`.
  static func method(_ name: String) -> String { name.prefix(1).lowercased() + name.dropFirst() }

  /// An enum value without its enum's prefix: "LOG_STATUS_IN_PROGRESS" of LogStatus is
  /// "IN_PROGRESS".
  ///
  /// A value that lacks the prefix keeps its name.
  static func jsonName(ofValue name: String, in enumName: String) -> String {
    let prefix = upperSnake(enumName) + "_"
    guard name.hasPrefix(prefix) else { return name }
    let rest = String(name.dropFirst(prefix.count))
    return rest.first?.isNumber == true || rest.isEmpty ? name : rest
  }

  /// "IN_PROGRESS" is `inProgress`.
  static func enumCase(_ jsonName: String) -> String { member(jsonName.lowercased()) }

  /// "LogStatus" is "LOG_STATUS".
  static func upperSnake(_ name: String) -> String { lowerC(name).uppercased() }

  static func capitalised(_ word: String) -> String {
    word.prefix(1).uppercased() + word.dropFirst()
  }

  // MARK: protoc-c 1.4.1, protoc-c/c_helpers.cc

  /// FullNameToC: "a.v1.LogReport" is `A__V1__LogReport`.
  static func cType(_ fullName: String) -> String {
    fullName.split(separator: ".").map { part in
      part.split(separator: "_").map { capitalised(String($0)) }.joined()
    }.joined(separator: "__")
  }

  /// FullNameToLower: "a.v1.LogReport" is `a__v1__log_report`.
  static func cFunctionPrefix(_ fullName: String) -> String {
    fullName.split(separator: ".").map { lowerC(String($0)) }.joined(separator: "__")
  }

  /// CamelToLower: an underscore before a capital that does not follow a capital.
  private static func lowerC(_ name: String) -> String {
    var result = ""
    var wasUpper = true
    for character in name {
      if character.isUppercase, !wasUpper { result += "_" }
      result += character.lowercased()
      wasUpper = character.isUppercase
    }
    return result
  }

  /// FieldName: lower case, an underscore behind a C keyword.
  static func cField(_ name: String) -> String {
    let lower = name.lowercased()
    return cKeywords.contains(lower) ? lower + "_" : lower
  }

  /// The words that protoc-c cannot use as a name, and that a method must not be called.
  static let cKeywords: Set<String> = [
    "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char",
    "class", "compl", "const", "const_cast", "continue", "default", "delete", "do", "double",
    "dynamic_cast", "else", "enum", "explicit", "extern", "false", "float", "for", "friend",
    "goto", "if", "inline", "int", "long", "mutable", "namespace", "new", "not", "not_eq",
    "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast",
    "return", "short", "signed", "sizeof", "static", "static_cast", "struct", "switch",
    "template", "this", "throw", "true", "try", "typedef", "typeid", "typename", "union",
    "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
  ]
}

import JSONText

/// What one keyword of a schema asks of a value, ready to be checked.
///
/// Rules are numbers in `SchemaRules`, so that a schema may refer to itself.
enum SchemaRule: Sendable {
  case nothing
  case reference(Int)
  case types(JSONTypes)
  case choices(SchemaChoices)
  case only(JSONValue)
  case all([Int])
  case any([Int])
  case one([Int])
  case not(Int)
  case count(SchemaCount, minimum: Double?, maximum: Double?)
  case bound(SchemaBound, Double)
  case required([String])
  /// What each member must be; `rest` is for those without a rule of their own.
  case members([JSONName: Int], rest: Int?)
  case items(Int)
  case unique
}

/// What is counted of a text, a list or an object.
enum SchemaCount: String, Sendable {
  case characters = "Length"
  case items = "Items"
  case names = "Properties"
}

/// How a number is bounded.
enum SchemaBound: String, Sendable, CaseIterable {
  case minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf
}

/// Kinds of values.
struct JSONTypes: OptionSet, Sendable {
  let rawValue: UInt8

  static let named: [(name: String, type: JSONTypes)] = [
    ("string", JSONTypes(rawValue: 1)), ("integer", JSONTypes(rawValue: 2)),
    ("number", JSONTypes(rawValue: 4)), ("boolean", JSONTypes(rawValue: 8)),
    ("array", JSONTypes(rawValue: 16)), ("object", JSONTypes(rawValue: 32)),
    ("null", JSONTypes(rawValue: 64)),
  ]

  init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The kinds that `type` names: one, or a list.
  init(_ rule: JSONValue) {
    switch rule {
    case .string(let name):
      self = Self.named.first { $0.name.hasSameBytes(as: name) }?.type ?? []
    case .array(let rules): self = rules.reduce(into: []) { $0.formUnion(JSONTypes($1)) }
    case .null, .bool, .number, .object: self = []
    }
  }

  /// The kinds that a value is of: a whole number is both an integer and a number.
  init(of value: JSONValue) {
    switch value {
    case .string: self.init(rawValue: 1)
    case .number(let number): self.init(rawValue: number.isWholeNumber ? 6 : 4)
    case .bool: self.init(rawValue: 8)
    case .array: self.init(rawValue: 16)
    case .object: self.init(rawValue: 32)
    case .null: self.init(rawValue: 64)
    }
  }
}

/// The values of an `enum`.
struct SchemaChoices: Sendable {
  /// Up to so many are looked through; more are found by their hash.
  private static let maximumScanned = 8

  let values: [JSONValue]
  private let known: Set<JSONValue>

  /// How often a value is gone over at most to find it.
  var passes: Int { known.isEmpty ? values.count : 2 }

  init(_ values: [JSONValue]) {
    self.values = values
    known = values.count > Self.maximumScanned ? Set(values) : []
  }

  func contains(_ value: JSONValue) -> Bool {
    known.isEmpty ? values.contains(value) : known.contains(value)
  }
}

/// A schema as lists of rules, one for each place that may be checked; made in one walk, in which
/// each object is read once, however often it is referred to.
struct SchemaRules: Sendable {
  /// The number of rules that allow nothing.
  static let nothing = 1

  /// The rules of each place; `root` is the whole schema's.
  private(set) var places: [[SchemaRule]] = [[], [.nothing]]
  private(set) var root = 0
  private let document: JSONValue
  private var numbers: [ObjectIdentifier: Int] = [:]

  init(_ document: JSONValue) {
    self.document = document
    root = number(of: document)
    numbers = [:]
  }

  /// The number of a schema's rules; 0 stands for none.
  private mutating func number(of schema: JSONValue) -> Int {
    switch schema {
    case .object(let object):
      if object.members.isEmpty { return 0 }
      let identity = ObjectIdentifier(object)
      if let known = numbers[identity] { return known }
      let number = places.count
      places.append([])
      // Before its rules are read: they may refer to it.
      numbers[identity] = number
      let rules = rules(of: object)
      places[number] = rules
      return number
    case .bool(false): return Self.nothing
    case .null, .bool, .number, .string, .array: return 0
    }
  }

  private mutating func numbers(of schemas: JSONValue?) -> [Int] {
    guard case .array(let schemas)? = schemas else { return [] }
    return schemas.map { number(of: $0) }
  }

  /// In the order in which they are checked: what a value is comes before what is in it.
  private mutating func rules(of object: JSONObject) -> [SchemaRule] {
    var rules: [SchemaRule] = []
    if case .string(let reference)? = object["$ref"],
      let target = SchemaReference.target(reference, in: document)
    {
      rules.append(.reference(number(of: target)))
    }
    if let type = object["type"] { rules.append(.types(JSONTypes(type))) }
    if case .array(let values)? = object["enum"] { rules.append(.choices(SchemaChoices(values))) }
    if let only = object["const"] { rules.append(.only(only)) }
    addForms(of: object, to: &rules)
    addCounts(of: object, to: &rules)
    for bound in SchemaBound.allCases {
      if case .number(let number)? = object[bound.rawValue] { rules.append(.bound(bound, number)) }
    }
    addContents(of: object, to: &rules)
    return rules
  }

  private mutating func addForms(of object: JSONObject, to rules: inout [SchemaRule]) {
    let (all, any) = (numbers(of: object["allOf"]), numbers(of: object["anyOf"]))
    let one = numbers(of: object["oneOf"])
    if !all.isEmpty { rules.append(.all(all)) }
    if !any.isEmpty { rules.append(.any(any)) }
    if !one.isEmpty { rules.append(.one(one)) }
    if let not = object["not"] { rules.append(.not(number(of: not))) }
  }

  private func addCounts(of object: JSONObject, to rules: inout [SchemaRule]) {
    for count in [SchemaCount.characters, .items, .names] {
      let minimum = Self.number(object["min\(count.rawValue)"])
      let maximum = Self.number(object["max\(count.rawValue)"])
      if minimum != nil || maximum != nil {
        rules.append(.count(count, minimum: minimum, maximum: maximum))
      }
    }
  }

  private mutating func addContents(of object: JSONObject, to rules: inout [SchemaRule]) {
    if case .array(let names)? = object["required"] {
      let texts = names.compactMap { if case .string(let name) = $0 { name } else { nil } }
      if !texts.isEmpty { rules.append(.required(texts)) }
    }
    var members: [JSONName: Int] = [:]
    if case .object(let properties)? = object["properties"] {
      members.reserveCapacity(properties.count)
      for member in properties.members {
        members[JSONName(member.name)] = number(of: member.value)
      }
    }
    let rest = object["additionalProperties"].map { number(of: $0) }
    if !members.isEmpty || rest != nil { rules.append(.members(members, rest: rest)) }
    if object["uniqueItems"] == .bool(true) { rules.append(.unique) }
    if let items = object["items"] { rules.append(.items(number(of: items))) }
  }

  private static func number(_ value: JSONValue?) -> Double? {
    if case .number(let number)? = value { number } else { nil }
  }
}

import JSONText

/// One pass over an input: what it violates so far, and how much it may still cost.
///
/// All work is counted in steps, some 20 to 40 ns each: a rule that is looked at, a value that is
/// compared, 8 bytes of text that are. So the steps that are left bound the time, whatever the
/// schema and the input are.
struct InputChecking {
  private let rules: SchemaRules
  private let allowed: Int
  private(set) var steps = 0
  private(set) var found: [SchemaFinding] = []
  private var place: [SchemaFinding.Step] = []

  init(_ rules: SchemaRules, maximumSteps: Int) {
    self.rules = rules
    allowed = maximumSteps
  }

  /// Whether it costs too much to go on.
  var isSpent: Bool { steps > allowed }

  private var isFull: Bool { found.count >= InputSchema.maximumViolations || isSpent }

  /// Counts work before it is done; false: it must not be.
  private mutating func spend(_ count: Int) -> Bool {
    steps += count
    return !isSpent
  }

  /// Counts reading a text.
  private mutating func spend(on text: String) -> Bool { spend(1 + text.utf8.count >> 3) }

  /// Counts going over a whole value.
  private mutating func spend(on value: JSONValue) -> Bool {
    switch value {
    case .null, .bool, .number: return spend(1)
    case .string(let text): return spend(on: text)
    case .array(let items):
      // Each at least one: an array that is too long is not begun.
      guard steps + items.count <= allowed else { return spend(items.count) }
      return spend(2) && items.allSatisfy { spend(on: $0) }
    case .object(let object):
      guard steps + object.count <= allowed else { return spend(object.count) }
      // A hash for each name, and one for the whole.
      return spend(2)
        && object.members.allSatisfy { spend(on: $0.name) && spend(2) && spend(on: $0.value) }
    }
  }

  private mutating func note(_ problem: SchemaFinding.Problem) {
    guard spend(2 + place.count) else { return }
    found.append(SchemaFinding(place: place, problem: problem))
  }

  private mutating func note(_ problem: SchemaFinding.Problem, at step: SchemaFinding.Step) {
    place.append(step)
    note(problem)
    place.removeLast()
  }

  /// Checks a value against the rules of a number.
  mutating func check(_ value: JSONValue, _ number: Int, depth: Int = 0) {
    guard !isFull, spend(1) else { return }
    guard depth <= InputSchema.maximumDepth else { return steps = allowed + 1 }
    for rule in rules.places[number] {
      guard spend(1) else { return }
      switch rule {
      case .nothing: note(.nothingAllowed)
      case .reference(let target): check(value, target, depth: depth + 1)
      case .types(let types):
        // What is of another kind breaks other rules for that alone.
        if types.isDisjoint(with: JSONTypes(of: value)) { return note(.type(types, value)) }
      case .choices(let choices):
        if hasNone(choices, of: value) { note(.noChoice(choices.values)) }
      case .only(let only):
        if differs(value, only) { note(.other(than: only)) }
      case .all(let forms):
        for form in forms {
          guard !isFull else { return }
          check(value, form, depth: depth + 1)
        }
      case .any(let forms): checkAny(value, forms, depth)
      case .one(let forms): checkOne(value, forms, depth)
      case .not(let form):
        if misses(value, form, depth).isEmpty { note(.forbiddenForm) }
      case .count(let count, let minimum, let maximum):
        checkCount(value, count, minimum, maximum)
      case .bound(let bound, let limit): checkBound(value, bound, limit)
      case .required(let names): checkRequired(value, names)
      case .members(let members, let rest): checkMembers(value, members, rest, depth)
      case .items(let rule): checkItems(value, rule, depth)
      case .unique: checkUnique(value)
      }
    }
  }

  // MARK: - Choices

  /// The value is gone over once for its hash, or once for each of the few choices.
  private mutating func hasNone(_ choices: SchemaChoices, of value: JSONValue) -> Bool {
    for _ in 0..<choices.passes {
      guard spend(on: value) else { return false }
    }
    return !choices.contains(value)
  }

  /// Equal values cost as much as either; of those that differ no more than the smaller is read.
  private mutating func differs(_ value: JSONValue, _ only: JSONValue) -> Bool {
    guard spend(on: value) else { return false }
    return value != only
  }

  // MARK: - Forms

  private mutating func checkAny(_ value: JSONValue, _ forms: [Int], _ depth: Int) {
    var nearest: [SchemaFinding]?
    for form in forms {
      let missed = misses(value, form, depth)
      if missed.isEmpty || isSpent { return }
      if missed.count < nearest?.count ?? .max { nearest = missed }
    }
    if let first = nearest?.first { note(.noForm(of: forms.count, nearest: first)) }
  }

  private mutating func checkOne(_ value: JSONValue, _ forms: [Int], _ depth: Int) {
    var nearest: [SchemaFinding]?
    var fitting = 0
    for form in forms {
      let missed = misses(value, form, depth)
      if isSpent { return }
      if missed.isEmpty { fitting += 1 }
      if missed.count < nearest?.count ?? .max { nearest = missed }
    }
    if fitting > 1 { note(.forms(fitting, of: forms.count)) }
    if fitting == 0, let first = nearest?.first {
      note(.noForm(of: forms.count, nearest: first))
    }
  }

  /// What a value violates of one form, which is no violation yet.
  private mutating func misses(
    _ value: JSONValue, _ form: Int, _ depth: Int
  ) -> [SchemaFinding] {
    guard !isFull else { return [] }
    let before = found
    found = []
    defer { found = before }
    check(value, form, depth: depth + 1)
    return found
  }

  // MARK: - Contents

  private mutating func checkRequired(_ value: JSONValue, _ names: [String]) {
    guard case .object(let object) = value else { return }
    for name in names {
      guard spend(on: name), !isFull else { return }
      if object[name] == nil { note(.missing, at: .member(name)) }
    }
  }

  private mutating func checkMembers(
    _ value: JSONValue, _ members: [JSONName: Int], _ rest: Int?, _ depth: Int
  ) {
    guard case .object(let object) = value else { return }
    for (name, member) in object.members {
      guard spend(on: name), !isFull else { return }
      let own = members[JSONName(name)]
      guard let rule = own ?? rest else { continue }
      if own == nil, rule == SchemaRules.nothing {
        note(.undeclared, at: .member(name))
        continue
      }
      place.append(.member(name))
      check(member, rule, depth: depth + 1)
      place.removeLast()
    }
  }

  private mutating func checkItems(_ value: JSONValue, _ rule: Int, _ depth: Int) {
    guard case .array(let items) = value else { return }
    for (index, item) in items.enumerated() {
      guard !isFull else { return }
      place.append(.item(index))
      check(item, rule, depth: depth + 1)
      place.removeLast()
    }
  }

  private mutating func checkUnique(_ value: JSONValue) {
    guard case .array(let items) = value, spend(items.count), spend(on: value) else { return }
    var seen = Set<JSONValue>(minimumCapacity: items.count)
    for (index, item) in items.enumerated() where !seen.insert(item).inserted {
      return note(.repeated, at: .item(index))
    }
  }

  private mutating func checkCount(
    _ value: JSONValue, _ count: SchemaCount, _ minimum: Double?, _ maximum: Double?
  ) {
    let got: Int
    switch (count, value) {
    case (.characters, .string(let text)):
      guard spend(on: text) else { return }
      got = text.unicodeScalars.count
    case (.items, .array(let items)): got = items.count
    case (.names, .object(let object)): got = object.count
    case (.characters, _), (.items, _), (.names, _): return
    }
    if let minimum, Double(got) < minimum { note(.tooFew(minimum, count, got)) }
    if let maximum, Double(got) > maximum { note(.tooMany(maximum, count, got)) }
  }

  private mutating func checkBound(_ value: JSONValue, _ bound: SchemaBound, _ limit: Double) {
    guard case .number(let number) = value else { return }
    let holds =
      switch bound {
      case .minimum: number >= limit
      case .maximum: number <= limit
      case .exclusiveMinimum: number > limit
      case .exclusiveMaximum: number < limit
      case .multipleOf: Self.isMultiple(number, of: limit)
      }
    if !holds { note(.bound(bound, limit, number)) }
  }

  /// Whether a number is a multiple as people write both: 19.99 is one of 0.01, though neither is
  /// exact in binary.
  private static func isMultiple(_ number: Double, of step: Double) -> Bool {
    let quotient = number / step
    return abs(quotient - quotient.rounded()) <= abs(quotient) * 2 * .ulpOfOne
  }
}

/// The members of a JSON object in the order of its text; no name stands twice.
///
/// Names are the same where their bytes are, as RFC 8259 has it. Swift's texts are also the same
/// where they only look alike, and to find that out of one with 60,000 accents on one letter takes
/// it seconds.
///
/// A class, so that whoever goes over a value can tell its objects apart.
public final class JSONObject: Sendable {
  /// A name and its value.
  public typealias Member = (name: String, value: JSONValue)

  /// All members in their order.
  public let members: [Member]
  private let places: [JSONName: Int]

  /// The object without members; all that are read are this one.
  static let empty = JSONObject(JSONObjectBuilder())

  init(_ builder: consuming JSONObjectBuilder) {
    members = builder.members
    places = builder.places
  }

  /// How many members there are.
  public var count: Int { members.count }

  /// The value of a name; nil: there is none.
  public subscript(name: String) -> JSONValue? {
    place(of: JSONName(name)).map { members[$0].value }
  }

  /// The members as a dictionary.
  public var dictionary: [String: JSONValue] {
    Dictionary(members.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
  }

  private func place(of name: JSONName) -> Int? {
    JSONObjectBuilder.place(of: name, in: members, places)
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  /// An object of members whose names differ.
  public convenience init(dictionaryLiteral elements: (String, JSONValue)...) {
    var builder = JSONObjectBuilder()
    for (name, value) in elements {
      precondition(builder.add(name, value), "a name stands twice")
    }
    self.init(builder)
  }
}

extension JSONObject: Hashable {
  /// Whether both have the same members, in whatever order.
  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    if left === right { return true }
    return left.count == right.count
      && left.members.allSatisfy { member in right[member.name] == member.value }
  }

  /// Hashes the members without their order.
  public func hash(into hasher: inout Hasher) {
    var sum = 0
    for member in members {
      var one = Hasher()
      one.combine(JSONName(member.name))
      one.combine(member.value)
      sum &+= one.finalize()
    }
    hasher.combine(members.count)
    hasher.combine(sum)
  }
}

/// Collects the members of an object.
struct JSONObjectBuilder {
  /// Up to so many members are looked through; more have an index.
  private static let maximumScanned = 8

  private(set) var members: [JSONObject.Member] = []
  private(set) var places: [JSONName: Int] = [:]

  /// Adds a member; false: its name is there already.
  mutating func add(_ name: String, _ value: JSONValue) -> Bool {
    let key = JSONName(name)
    guard Self.place(of: key, in: members, places) == nil else { return false }
    members.append((name, value))
    if members.count == Self.maximumScanned + 1 {
      for (place, member) in members.enumerated() { places[JSONName(member.name)] = place }
    } else if members.count > Self.maximumScanned {
      places[key] = members.count - 1
    }
    return true
  }

  static func place(
    of name: JSONName, in members: [JSONObject.Member], _ places: [JSONName: Int]
  ) -> Int? {
    if members.count > maximumScanned { return places[name] }
    for place in members.indices where members[place].name.hasSameBytes(as: name.text) {
      return place
    }
    return nil
  }
}

/// A name in JSON as a key, compared by its bytes; see `JSONObject`.
public struct JSONName: Hashable, Sendable {
  /// The name.
  public let text: String

  /// Takes a name.
  public init(_ text: String) { self.text = text }

  /// Whether both have the same bytes.
  public static func == (left: JSONName, right: JSONName) -> Bool {
    left.text.hasSameBytes(as: right.text)
  }

  /// Hashes the bytes.
  public func hash(into hasher: inout Hasher) { text.hashBytes(into: &hasher) }
}

extension String {
  /// Whether both have the same bytes; `==` is also true of texts that only look alike.
  public func hasSameBytes(as other: String) -> Bool {
    let left = utf8.span
    let right = other.utf8.span
    let count = left.count
    guard right.count == count else { return false }
    let words = count / 8
    for word in 0..<words {
      // In bounds: there are as many whole words in both.
      let one = unsafe left.bytes.unsafeLoadUnaligned(
        fromUncheckedByteOffset: word * 8, as: UInt64.self)
      let other = unsafe right.bytes.unsafeLoadUnaligned(
        fromUncheckedByteOffset: word * 8, as: UInt64.self)
      if one != other { return false }
    }
    for place in (words * 8)..<count where left[place] != right[place] { return false }
    return true
  }

  func hashBytes(into hasher: inout Hasher) {
    let bytes = utf8.span
    unsafe bytes.withUnsafeBytes { bytes in unsafe hasher.combine(bytes: bytes) }
    hasher.combine(UInt8(0xFF))
  }
}

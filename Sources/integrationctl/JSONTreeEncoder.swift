/// Turns a value into a `JSONTree`, members in the order in which it encodes them.
enum JSONTreeEncoder {
  /// The value's tree; throws only what the value's own `encode(to:)` throws.
  static func tree(of value: some Encodable) throws -> JSONTree {
    let node = TreeNode()
    try node.set(value, codingPath: [])
    return node.tree
  }
}

/// A place in the tree that is being filled; lives only while one value is encoded.
private final class TreeNode {
  private enum Content {
    case empty
    case leaf(JSONTree)
    case members([(name: String, node: TreeNode)])
    case elements([TreeNode])
  }

  private var content = Content.empty

  var tree: JSONTree {
    switch content {
    case .empty: .object([])
    case .leaf(let tree): tree
    case .members(let members): .object(members.map { ($0.name, $0.node.tree) })
    case .elements(let nodes): .array(nodes.map(\.tree))
    }
  }

  var elementCount: Int {
    if case .elements(let nodes) = content { nodes.count } else { 0 }
  }

  func set(_ leaf: JSONTree) { content = .leaf(leaf) }

  func set(_ value: some Encodable, codingPath: [any CodingKey]) throws {
    if let leaf = Self.leaf(value) { return set(leaf) }
    try value.encode(to: TreeEncoder(node: self, codingPath: codingPath))
  }

  func becomeObject() { if case .empty = content { content = .members([]) } }

  func becomeArray() { if case .empty = content { content = .elements([]) } }

  func member(_ name: String) -> TreeNode {
    let node = TreeNode()
    guard case .members(var members) = content else {
      content = .members([(name, node)])
      return node
    }
    content = .empty  // so that the array below is not shared and grows in place
    members.append((name, node))
    content = .members(members)
    return node
  }

  func element() -> TreeNode {
    let node = TreeNode()
    guard case .elements(var nodes) = content else {
      content = .elements([node])
      return node
    }
    content = .empty
    nodes.append(node)
    content = .elements(nodes)
    return node
  }

  private static func leaf(_ value: some Encodable) -> JSONTree? {
    switch value {
    case let text as String: .text(text)
    case let flag as Bool: .bool(flag)
    case let number as any FixedWidthInteger: .number("\(number)")
    case let number as Double: floating(number)
    case let number as Float: floating(Double(number))
    default: nil
    }
  }

  /// As proto3 JSON: what JSON has no number for becomes text.
  private static func floating(_ number: Double) -> JSONTree {
    if number.isNaN { return .text("NaN") }
    if number.isInfinite { return .text(number < 0 ? "-Infinity" : "Infinity") }
    return .number(
      number == number.rounded() && abs(number) < 1e15 ? "\(Int64(number))" : "\(number)")
  }
}

private struct TreeEncoder: Encoder {
  let node: TreeNode
  let codingPath: [any CodingKey]
  let userInfo: [CodingUserInfoKey: Any] = [:]

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    node.becomeObject()
    return KeyedEncodingContainer(Members<Key>(node: node, codingPath: codingPath))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    node.becomeArray()
    return Elements(node: node, codingPath: codingPath)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer {
    Single(node: node, codingPath: codingPath)
  }
}

private struct Members<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let node: TreeNode
  let codingPath: [any CodingKey]

  func encodeNil(forKey key: Key) { node.member(key.stringValue).set(.null) }

  func encode(_ value: some Encodable, forKey key: Key) throws {
    try node.member(key.stringValue).set(value, codingPath: codingPath + [key])
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy keyType: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> {
    TreeEncoder(node: node.member(key.stringValue), codingPath: codingPath + [key])
      .container(keyedBy: keyType)
  }

  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    TreeEncoder(node: node.member(key.stringValue), codingPath: codingPath + [key])
      .unkeyedContainer()
  }

  func superEncoder() -> any Encoder {
    TreeEncoder(node: node.member("super"), codingPath: codingPath)
  }

  func superEncoder(forKey key: Key) -> any Encoder {
    TreeEncoder(node: node.member(key.stringValue), codingPath: codingPath + [key])
  }
}

private struct Elements: UnkeyedEncodingContainer {
  let node: TreeNode
  let codingPath: [any CodingKey]
  var count: Int { node.elementCount }

  func encodeNil() { node.element().set(.null) }

  func encode(_ value: some Encodable) throws {
    try node.element().set(value, codingPath: codingPath)
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy keyType: Nested.Type
  ) -> KeyedEncodingContainer<Nested> {
    TreeEncoder(node: node.element(), codingPath: codingPath).container(keyedBy: keyType)
  }

  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
    TreeEncoder(node: node.element(), codingPath: codingPath).unkeyedContainer()
  }

  func superEncoder() -> any Encoder {
    TreeEncoder(node: node.element(), codingPath: codingPath)
  }
}

private struct Single: SingleValueEncodingContainer {
  let node: TreeNode
  let codingPath: [any CodingKey]

  func encodeNil() { node.set(.null) }

  func encode(_ value: some Encodable) throws { try node.set(value, codingPath: codingPath) }
}

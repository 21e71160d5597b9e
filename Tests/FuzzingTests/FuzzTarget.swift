/// What is wrong with the answer to some bytes.
struct Broken: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// One part of the product that meets bytes from outside, and what must hold whatever they are.
///
/// The same functions run in two programs: libFuzzer's, which looks for bytes, and the tests, which
/// replay those that were found. They throw `Broken` where an answer is wrong; what traps or
/// touches memory that is not its own ends the program.
struct FuzzTarget: Sendable {
  let name: String
  /// The longest input that makes sense.
  let maximumBytes: Int
  let run: @Sendable (UnsafeRawBufferPointer) throws -> Void

  init(
    _ name: String, maximumBytes: Int,
    _ run: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
  ) {
    self.name = name
    self.maximumBytes = maximumBytes
    self.run = run
  }

  /// All of them; `Tests/Torture/fuzzing/fuzz.py` asks the program for their names.
  static let all = [
    frames, callTable, messages, keys, names, options, cron, zone, text, json, schema, stored,
    calls, session, imports, client,
  ]
}

/// Takes an input apart from its front; what is missing at its end is 0.
struct FuzzInput {
  private(set) var rest: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

  var isEmpty: Bool { rest.isEmpty }

  mutating func byte() -> UInt8 {
    guard let first = rest.first else { return 0 }
    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst())
    return first
  }

  mutating func number<Number: FixedWidthInteger>(_: Number.Type) -> Number {
    (0..<Number.bitWidth / 8).reduce(Number(0)) { number, _ in
      number << 8 | Number(truncatingIfNeeded: byte())
    }
  }

  /// The next bytes, as many as there are of them.
  mutating func bytes(_ count: Int) -> UnsafeRawBufferPointer {
    let part = UnsafeRawBufferPointer(rebasing: rest.prefix(count))
    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
    return part
  }

  /// What is left as text; what is no UTF-8 is repaired.
  var restText: String { String(decoding: rest, as: UTF8.self) }

  /// Text up to the next 0.
  mutating func text() -> String {
    let part = rest.prefix { $0 != 0 }
    let text = String(decoding: part, as: UTF8.self)
    rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count + 1))
    return text
  }
}

/// Throws unless something holds.
func require(_ holds: Bool, _ what: @autoclosure () -> String) throws {
  guard holds else { throw Broken(what()) }
}

/// Calls `body` with a copy that ends where its memory ends, so that the address sanitizer sees
/// each byte that is read behind it.
func withExactCopy<Value>(
  _ bytes: some Collection<UInt8>, _ body: (UnsafeRawBufferPointer) throws -> Value
) rethrows -> Value {
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
  defer { copy.deallocate() }
  copy.copyBytes(from: bytes)
  return try body(UnsafeRawBufferPointer(copy))
}

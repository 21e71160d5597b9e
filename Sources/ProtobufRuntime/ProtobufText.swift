internal import CProtobufC

/// Borrowed UTF-8 bytes: text as it lies in an arena or in a buffer of the caller.
///
/// Valid as long as that memory is. Comparing and hashing work on the bytes, so two texts are
/// equal when their bytes are; `String(_:)` makes a copy that stays.
@safe
public struct ProtobufText {
  @usableFromInline let start: UnsafePointer<UInt8>?
  /// How many bytes it has.
  public let count: Int

  /// Borrows bytes that must be valid UTF-8 without NUL and outlive every use of the text.
  @unsafe
  @inlinable
  public init(borrowing bytes: UnsafeRawBufferPointer) {
    unsafe start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    count = bytes.count
  }

  /// Borrows a C string; nil is the empty text.
  @unsafe
  public init(_ cString: UnsafePointer<CChar>?) {
    guard let cString = unsafe cString else {
      unsafe start = nil
      count = 0
      return
    }
    count = unsafe strlen(cString)
    unsafe start = UnsafeRawPointer(cString).assumingMemoryBound(to: UInt8.self)
  }

  /// The empty text.
  public static var empty: ProtobufText { unsafe ProtobufText(nil as UnsafePointer<CChar>?) }

  /// Whether it has no bytes.
  @inlinable
  public var isEmpty: Bool { count == 0 }

  /// Lends the bytes for the time of `body`.
  @inlinable
  public func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    unsafe try body(bytes)
  }

  /// The bytes themselves; they stay only as long as the memory that the text borrows.
  @unsafe
  @inlinable
  public var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: start, count: count)
  }

  /// A copy as a `String`.
  @inlinable
  public var string: String {
    unsafe String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
  }
}

extension ProtobufText: Hashable {
  /// Whether both have the same bytes.
  public static func == (left: ProtobufText, right: ProtobufText) -> Bool {
    guard left.count == right.count else { return false }
    guard left.count > 0, let a = unsafe left.start, let b = unsafe right.start else { return true }
    return unsafe memcmp(a, b, left.count) == 0
  }

  /// Whether the bytes are the string's UTF-8.
  public static func == (left: ProtobufText, right: String) -> Bool {
    let same: Bool? = unsafe right.utf8.withContiguousStorageIfAvailable { bytes in
      guard bytes.count == left.count else { return false }
      guard let a = unsafe left.start, let b = bytes.baseAddress else { return true }
      return unsafe memcmp(a, b, left.count) == 0
    }
    return same ?? (left.string.utf8.elementsEqual(right.utf8))
  }

  /// Whether the bytes are the literal's.
  public static func == (left: ProtobufText, right: StaticString) -> Bool {
    guard right.utf8CodeUnitCount == left.count, right.hasPointerRepresentation else {
      return false
    }
    guard let a = unsafe left.start else { return true }
    return unsafe memcmp(a, right.utf8Start, left.count) == 0
  }

  /// Hashes the bytes.
  public func hash(into hasher: inout Hasher) {
    unsafe hasher.combine(bytes: bytes)
  }
}

extension ProtobufText: CustomStringConvertible {
  /// The text.
  public var description: String { string }
}

extension String {
  /// Lends the string's bytes as text for the time of `body`.
  public func withProtobufText<Result>(_ body: (ProtobufText) -> Result) -> Result {
    var copy = self
    return copy.withUTF8 { bytes in
      unsafe body(ProtobufText(borrowing: UnsafeRawBufferPointer(bytes)))
    }
  }

  /// Copies borrowed text.
  public init(_ text: ProtobufText) {
    self = text.string
  }
}

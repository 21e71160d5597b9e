/// The texts of a repeated field as they lie in an arena.
@safe
public struct RepeatedText: RandomAccessCollection {
  private let texts: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
  private let owner: MessageReference
  /// How many there are.
  public let count: Int

  /// Wraps a repeated field of `owner`.
  @unsafe
  public init(
    _ texts: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, count: Int,
    of owner: MessageReference
  ) {
    unsafe self.texts = unsafe texts
    self.count = unsafe texts == nil ? 0 : count
    self.owner = owner
  }

  /// Makes `count` empty texts in the arena of `owner`.
  public init(count: Int, besides owner: MessageReference) {
    precondition(count >= 0, "a repeated field cannot have a negative count")
    self.owner = owner
    self.count = count
    guard count > 0 else {
      unsafe texts = nil
      return
    }
    let made = unsafe owner.allocate(UnsafeMutablePointer<CChar>?.self, count: count)
    for index in 0..<count {
      unsafe (made + index).initialize(to: owner.cString(ProtobufText.empty))
    }
    unsafe texts = unsafe made
  }

  /// The first text's address, for the C field.
  @unsafe
  public func start() -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? { unsafe texts }

  /// 0.
  public var startIndex: Int { 0 }
  /// The count.
  public var endIndex: Int { count }

  /// The text at a position; setting copies into the arena.
  public subscript(position: Int) -> ProtobufText {
    get {
      precondition(position >= 0 && position < count, "index out of range")
      return unsafe ProtobufText(texts?[position].map { unsafe UnsafePointer($0) })
    }
    nonmutating set {
      precondition(position >= 0 && position < count, "index out of range")
      unsafe texts?[position] = owner.cString(newValue)
    }
  }

  /// Copies as many strings into the arena as there are texts.
  public func assign(_ strings: some Collection<String>) {
    for (index, text) in strings.enumerated() { set(text, at: index) }
  }

  /// Copies a string into the arena at a position.
  public func set(_ text: String, at position: Int) {
    precondition(position >= 0 && position < count, "index out of range")
    unsafe texts?[position] = owner.cString(text)
  }
}

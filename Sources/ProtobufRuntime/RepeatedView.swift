/// The messages of a repeated field as they lie in an arena.
@safe
public struct RepeatedView<Element: ProtobufView>: RandomAccessCollection {
  @usableFromInline let records: UnsafeMutablePointer<UnsafeMutableRawPointer>?
  @usableFromInline let owner: MessageReference
  /// How many there are.
  public let count: Int

  /// Wraps a repeated field of `owner`.
  @unsafe
  @inlinable
  public init<Record>(
    _ records: UnsafeMutablePointer<UnsafeMutablePointer<Record>?>?, count: Int,
    of owner: MessageReference
  ) {
    unsafe self.records = unsafe UnsafeMutableRawPointer(records)?.assumingMemoryBound(
      to: UnsafeMutableRawPointer.self)
    self.count = unsafe records == nil ? 0 : count
    self.owner = owner
  }

  /// Makes `count` empty messages in the arena of `owner`.
  @inlinable
  public init(count: Int, besides owner: MessageReference) {
    precondition(count >= 0, "a repeated field cannot have a negative count")
    self.owner = owner
    self.count = count
    guard count > 0 else {
      unsafe records = nil
      return
    }
    let made = unsafe owner.allocate(UnsafeMutableRawPointer.self, count: count)
    for index in 0..<count {
      unsafe (made + index).initialize(to: owner.make(Element.descriptor).pointer)
    }
    unsafe records = unsafe made
  }

  /// The first record's address, for the C field.
  @unsafe
  @inlinable
  public func start<Record>() -> UnsafeMutablePointer<UnsafeMutablePointer<Record>?>? {
    unsafe UnsafeMutableRawPointer(records)?.assumingMemoryBound(
      to: UnsafeMutablePointer<Record>?.self)
  }

  /// 0.
  @inlinable
  public var startIndex: Int { 0 }
  /// The count.
  @inlinable
  public var endIndex: Int { count }

  /// The message at a position.
  @inlinable
  public subscript(position: Int) -> Element {
    precondition(position >= 0 && position < count, "index out of range")
    guard let records = unsafe records else { fatalError("index out of range") }
    return unsafe Element(
      reference: MessageReference(pointer: records[position], arena: owner.arena))
  }
}

extension RepeatedView {
  /// Copies that stay.
  @inlinable
  public func messages() -> [Element.Message] { map { $0.makeMessage() } }

  /// Sets as many messages as there are from values.
  @inlinable
  public func assign(_ messages: some Collection<Element.Message>) {
    for (view, message) in zip(self, messages) { view.assign(message) }
  }
}

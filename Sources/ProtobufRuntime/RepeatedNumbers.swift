/// The numbers of a repeated field as they lie in an arena.
@safe
public struct RepeatedNumbers<Element: BitwiseCopyable>: RandomAccessCollection {
  private let numbers: UnsafeMutablePointer<Element>?
  /// How many there are.
  public let count: Int

  /// Wraps a repeated field.
  ///
  /// `Element` has the layout of the C field's elements.
  @unsafe
  public init<Stored>(_ numbers: UnsafeMutablePointer<Stored>?, count: Int) {
    precondition(MemoryLayout<Stored>.stride == MemoryLayout<Element>.stride, "layouts differ")
    unsafe self.numbers = unsafe UnsafeMutableRawPointer(numbers)?.assumingMemoryBound(
      to: Element.self)
    self.count = unsafe numbers == nil ? 0 : count
  }

  /// Copies numbers into the arena of `owner`.
  public init(_ values: some Collection<Element>, besides owner: MessageReference) {
    count = values.count
    let made = unsafe owner.allocate(Element.self, count: count)
    for (index, value) in values.enumerated() {
      unsafe (made + index).initialize(to: value)
    }
    unsafe numbers = unsafe made
  }

  /// The first number's address, for the C field.
  @unsafe
  public func start<Stored>() -> UnsafeMutablePointer<Stored>? {
    unsafe UnsafeMutableRawPointer(numbers)?.assumingMemoryBound(to: Stored.self)
  }

  /// 0.
  public var startIndex: Int { 0 }
  /// The count.
  public var endIndex: Int { count }

  /// The number at a position.
  public subscript(position: Int) -> Element {
    precondition(position >= 0 && position < count, "index out of range")
    guard let numbers = unsafe numbers else { fatalError("index out of range") }
    return unsafe numbers[position]
  }
}

/// The booleans of a repeated field as they lie in an arena.
@safe
public struct RepeatedBools: RandomAccessCollection {
  private let numbers: RepeatedNumbers<Int32>

  /// Wraps a repeated field.
  @unsafe
  public init<Stored>(_ numbers: UnsafeMutablePointer<Stored>?, count: Int) {
    self.numbers = unsafe RepeatedNumbers(numbers, count: count)
  }

  /// Copies booleans into the arena of `owner`.
  public init(_ values: some Collection<Bool>, besides owner: MessageReference) {
    numbers = RepeatedNumbers(values.map { $0 ? 1 : 0 }, besides: owner)
  }

  /// The first one's address, for the C field.
  @unsafe
  public func start<Stored>() -> UnsafeMutablePointer<Stored>? { unsafe numbers.start() }

  /// How many there are.
  public var count: Int { numbers.count }
  /// 0.
  public var startIndex: Int { 0 }
  /// The count.
  public var endIndex: Int { count }

  /// The boolean at a position.
  public subscript(position: Int) -> Bool { numbers[position] != 0 }
}

/// The enum values of a repeated field as they lie in an arena.
@safe
public struct RepeatedEnums<Element: ProtobufEnum>: RandomAccessCollection {
  private let numbers: RepeatedNumbers<Int32>

  /// Wraps a repeated field.
  @unsafe
  public init<Stored>(_ numbers: UnsafeMutablePointer<Stored>?, count: Int) {
    self.numbers = unsafe RepeatedNumbers(numbers, count: count)
  }

  /// Copies values into the arena of `owner`.
  public init(_ values: some Collection<Element>, besides owner: MessageReference) {
    numbers = RepeatedNumbers(values.map(\.rawValue), besides: owner)
  }

  /// The first one's address, for the C field.
  @unsafe
  public func start<Stored>() -> UnsafeMutablePointer<Stored>? { unsafe numbers.start() }

  /// How many there are.
  public var count: Int { numbers.count }
  /// 0.
  public var startIndex: Int { 0 }
  /// The count.
  public var endIndex: Int { count }

  /// The value at a position.
  public subscript(position: Int) -> Element { Element(rawValue: numbers[position]) }
}

import IntegrationModel

/// A text inside a batch's byte buffer.
public struct TextRange: Hashable, Sendable {
  /// Where it begins.
  public let offset: UInt32
  /// How many bytes it has.
  public let count: UInt32

  /// Makes a range.
  public init(offset: UInt32, count: UInt32) {
    self.offset = offset
    self.count = count
  }

  /// No text.
  public static let empty = TextRange(offset: 0, count: 0)
  /// Whether there is no text.
  public var isEmpty: Bool { count == 0 }
}

/// Where a command's outcome goes.
public enum CommandOrigin: Sendable {
  /// Nobody waits.
  case none
  /// Two numbers that the submitter understands, such as the token of a call.
  case token(UInt64, UInt64)
  /// Called once, on a queue of the store; it must not block.
  case completion(@Sendable (CommandOutcome) -> Void)
}

/// Commands that are committed together, with the texts that they refer to.
///
/// A batch belongs to one thread at a time: to the submitter while it fills it, then to the
/// writer. Its arrays are used again for later batches, so that a report costs no allocation.
public struct CommandBatch: Sendable {
  /// What a command is and where it stands.
  public enum Kind: UInt8, Sendable {
    /// In `reports`.
    case report
    /// In `renewals`.
    case renewal
    /// In `leases`.
    case lease
    /// In `others`.
    case other
  }

  /// One command's place, time and origin.
  public struct Entry: Sendable {
    /// Which array holds it.
    public let kind: Kind
    /// Its index there.
    public let index: Int32
    /// The time at which it counts as done.
    public fileprivate(set) var now: Instant
    /// Where its outcome goes.
    public let origin: CommandOrigin
  }

  /// All commands in the order in which they are done.
  public private(set) var entries: [Entry] = []
  /// The reports.
  public private(set) var reports: [ReportCommand] = []
  /// The renewals.
  public private(set) var renewals: [RenewCommand] = []
  /// The leases.
  public private(set) var leases: [LeaseCommand] = []
  /// All other commands.
  public private(set) var others: [StoreCommand] = []
  /// The leases that renewals name.
  public private(set) var heldLeases: [HeldLeaseText] = []
  /// The record errors that reports bring.
  public private(set) var recordErrors: [RecordErrorText] = []
  /// Texts of other lists: the action types of leases.
  public private(set) var texts: [TextRange] = []
  /// The bytes of all texts.
  public private(set) var bytes: [UInt8] = []

  /// Makes an empty batch.
  public init() {}

  /// How many commands it holds.
  public var count: Int { entries.count }
  /// Whether it holds none.
  public var isEmpty: Bool { entries.isEmpty }

  /// Copies a text into the batch.
  public mutating func text(_ source: UnsafeRawBufferPointer) -> TextRange {
    guard source.count > 0 else { return .empty }
    let offset = UInt32(bytes.count)
    unsafe bytes.append(contentsOf: source)
    return TextRange(offset: offset, count: UInt32(source.count))
  }

  /// Copies a text into the batch.
  public mutating func text(_ source: String) -> TextRange {
    guard !source.isEmpty else { return .empty }
    let offset = UInt32(bytes.count)
    bytes.append(contentsOf: source.utf8)
    return TextRange(offset: offset, count: UInt32(bytes.count) - offset)
  }

  /// Copies labels into the batch, in the form that `ReportCommand.labels` takes.
  public mutating func labels(_ source: [String: String]) -> TextRange {
    let offset = UInt32(bytes.count)
    for (key, value) in source { appendLabel(key: key.utf8, value: value.utf8) }
    return TextRange(offset: offset, count: UInt32(bytes.count) - offset)
  }

  /// Begins a list of labels that are appended one by one; give the result to `endLabels`.
  public func beginLabels() -> UInt32 { UInt32(bytes.count) }

  /// Appends one label; nothing else may be copied into the batch between begin and end.
  public mutating func appendLabel(
    key: some Collection<UInt8>, value: some Collection<UInt8>
  ) {
    bytes.append(contentsOf: key)
    bytes.append(0)
    bytes.append(contentsOf: value)
    bytes.append(0)
  }

  /// Ends a list of labels.
  public func endLabels(_ start: UInt32) -> TextRange {
    TextRange(offset: start, count: UInt32(bytes.count) - start)
  }

  /// Begins a list of record errors or held leases or texts; give the result to the range's end.
  public mutating func append(recordError: RecordErrorText) {
    recordErrors.append(recordError)
  }

  /// Appends a lease that the next renewal names.
  public mutating func append(heldLease: HeldLeaseText) {
    heldLeases.append(heldLease)
  }

  /// Appends an action type that the next lease names.
  public mutating func append(actionType: TextRange) {
    texts.append(actionType)
  }

  /// Adds a report.
  public mutating func append(report: ReportCommand, now: Instant, origin: CommandOrigin) {
    entries.append(Entry(kind: .report, index: Int32(reports.count), now: now, origin: origin))
    reports.append(report)
  }

  /// Adds a renewal of leases.
  public mutating func append(renewal: RenewCommand, now: Instant, origin: CommandOrigin) {
    entries.append(Entry(kind: .renewal, index: Int32(renewals.count), now: now, origin: origin))
    renewals.append(renewal)
  }

  /// Adds a lease.
  public mutating func append(lease: LeaseCommand, now: Instant, origin: CommandOrigin) {
    entries.append(Entry(kind: .lease, index: Int32(leases.count), now: now, origin: origin))
    leases.append(lease)
  }

  /// Adds any other command.
  public mutating func append(_ command: StoreCommand, now: Instant, origin: CommandOrigin) {
    entries.append(Entry(kind: .other, index: Int32(others.count), now: now, origin: origin))
    others.append(command)
  }

  /// Bytes of memory for texts that an empty batch keeps: 4 MiB, more than common traffic needs.
  private static let keptBytes = 4_194_304

  /// Empties the batch and keeps its memory, except what only a burst needed.
  public mutating func removeAll() {
    entries.removeAll(keepingCapacity: true)
    reports.removeAll(keepingCapacity: true)
    renewals.removeAll(keepingCapacity: true)
    leases.removeAll(keepingCapacity: true)
    others.removeAll(keepingCapacity: true)
    heldLeases.removeAll(keepingCapacity: true)
    recordErrors.removeAll(keepingCapacity: true)
    texts.removeAll(keepingCapacity: true)
    bytes.removeAll(keepingCapacity: bytes.capacity <= Self.keptBytes)
  }

  /// Gives the entry at a place another time.
  public mutating func setTime(at place: Int, _ now: Instant) { entries[place].now = now }

  /// A text of the batch as a string.
  public func string(_ range: TextRange) -> String {
    String(decoding: bytes[Int(range.offset)..<Int(range.offset) + Int(range.count)], as: UTF8.self)
  }
}

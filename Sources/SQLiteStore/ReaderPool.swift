import Dispatch
import IntegrationStore
import SQLiteDatabase
import Synchronization

/// A few readers, each with a queue and a connection of its own; reads go to the idlest.
final class ReaderPool: Sendable {
  private let slots: [ReaderSlot]
  private let isClosed = Atomic<Bool>(false)

  init(_ directory: DataDirectory, _ limits: StoreLimits) throws {
    slots = try (0..<max(1, limits.readers)).map { number in
      ReaderSlot(number, try Opening.openReader(path: directory.database, limits), directory.path)
    }
  }

  /// Runs a read on one of the readers, in one transaction, so that it sees one moment.
  func read<Value: Sendable>(
    _ body: @escaping @Sendable (Reader) throws -> Value
  ) async throws(StoreError) -> Value {
    guard !isClosed.load(ordering: .acquiring) else { throw Self.closed }
    let slot = slots.min { $0.waiting < $1.waiting } ?? slots[0]
    return try await slot.read(body).get()
  }

  static let closed = StoreError(.closed, "the store is closed")

  /// Closes every reader after the reads that it was asked for.
  func close() async {
    isClosed.store(true, ordering: .releasing)
    for slot in slots { await slot.close() }
  }
}

/// One reader and its queue.
final class ReaderSlot: @unchecked Sendable {
  // Safe: `reader` is used on `queue` only.

  private let queue: DispatchQueue
  private var reader: Reader?
  private let path: String
  private let count = Atomic<Int>(0)

  init(_ number: Int, _ reader: Reader, _ path: String) {
    queue = DispatchQueue(label: "store.reader.\(number)", qos: Self.priority)
    self.reader = reader
    self.path = path
  }

  /// Behind reactors and writer: whoever asks for much takes what these leave of the processors.
  ///
  /// On Linux Dispatch gives threads of this class the niceness 10, those of reactors and writer -2
  /// or, without the right to that, the process's own.
  private static let priority = DispatchQoS.background

  /// Reads that wait or run.
  var waiting: Int { count.load(ordering: .relaxed) }

  func read<Value: Sendable>(
    _ body: @escaping @Sendable (Reader) throws -> Value
  ) async -> Result<Value, StoreError> {
    count.add(1, ordering: .relaxed)
    return await withCheckedContinuation { continuation in
      queue.async {
        let result = self.perform(body)
        self.count.subtract(1, ordering: .relaxed)
        continuation.resume(returning: result)
      }
    }
  }

  private func perform<Value>(_ body: (Reader) throws -> Value) -> Result<Value, StoreError> {
    guard let reader else { return .failure(ReaderPool.closed) }
    do {
      try reader.database.execute("BEGIN")
      defer { reader.database.rollBack() }
      return .success(try body(reader))
    } catch {
      return .failure(Opening.storeError(error, path))
    }
  }

  func close() async {
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
      queue.async {
        self.reader = nil
        continuation.resume()
      }
    }
  }
}

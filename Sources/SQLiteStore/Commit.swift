import IntegrationStore

/// One batch on its way: filled by submitters, done by the writer, told to the observer.
///
/// It is used again when it has been told.
final class Commit: @unchecked Sendable {
  // Safe: it belongs to one stage at a time, and stages hand it over through a lock or a queue.

  var batch = CommandBatch()
  /// Outcome i belongs to the batch's entry i.
  var outcomes: [CommandOutcome] = []
  var events: [StoreEvent] = []
  /// Pages that it put into the write-ahead log; 0: there is nothing to bring to disk.
  var writtenPages = 0
  /// Bytes of its texts, from when it was handed over.
  var bytes = 0

  /// Empties it and keeps its memory.
  func removeAll() {
    batch.removeAll()
    outcomes.removeAll(keepingCapacity: true)
    events.removeAll(keepingCapacity: true)
    (writtenPages, bytes) = (0, 0)
  }

  /// Ends the wait of completions; calls by token get nothing, because nothing is known.
  func refuse() {
    for entry in batch.entries {
      if case .completion(let completion) = entry.origin { completion(.failed(.unavailable)) }
    }
  }
}

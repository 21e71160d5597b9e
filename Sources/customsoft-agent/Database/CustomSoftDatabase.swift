import Dispatch
import Synchronization

/// CustomSoft's database for handlers that run at the same time: its work runs on a queue of its
/// own.
final class CustomSoftDatabase: Sendable {
  /// What exporting a quote brought.
  struct Export: Sendable, Equatable {
    enum Change: Sendable, Equatable {
      /// An earlier export of the same text was found.
      case none
      case created
      /// An earlier export of another text was found and changed.
      case updated(revision: Int64)
    }
    /// CustomSoft's own number, the same for every export of the quote.
    var externalNumber: String
    var change: Change
  }

  /// What saving a contact brought.
  struct SavedContact: Sendable, Equatable {
    var externalNumber: String
    var isNew: Bool
  }

  private let queue = DispatchQueue(label: "customsoft.database")
  /// Locked only on the queue, so never contended.
  private let file: Mutex<CustomSoftFile>

  init(path: String) throws(SourceFault) {
    file = Mutex(try CustomSoftFile(path: path))
  }

  func export(_ quote: Quote, fingerprint: Int64) async throws(SourceFault) -> Export {
    try await onQueue { file throws(SourceFault) in
      try file.export(quote, fingerprint: fingerprint)
    }
  }

  func save(_ contact: Contact) async throws(SourceFault) -> SavedContact {
    try await onQueue { file throws(SourceFault) in try file.save(contact) }
  }

  func wasAttempted(_ found: QuoteFile.Found) async throws(SourceFault) -> Bool {
    try await onQueue { file throws(SourceFault) in
      try file.wasAttempted(found.number, fingerprint: found.fingerprint)
    }
  }

  func remember(_ found: QuoteFile.Found) async throws(SourceFault) {
    try await onQueue { file throws(SourceFault) in
      try file.remember(found.number, fingerprint: found.fingerprint)
    }
  }

  private func onQueue<Value: Sendable>(
    _ body: @escaping @Sendable (CustomSoftFile) throws(SourceFault) -> Value
  ) async throws(SourceFault) -> Value {
    try await queue.run { () throws(SourceFault) in
      let result = self.file.withLock { file in
        Result { () throws(SourceFault) in try body(file) }
      }
      return try result.get()
    }
  }
}

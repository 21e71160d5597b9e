import IntegrationAgent

/// Exports what stands in the folder without being asked: at the start and whenever a file changes,
/// one log for each attempt.
///
/// What was attempted is remembered, well or not, until its text changes.
struct FolderWatch: Sendable {
  let export: ExportQuote
  let interval: Duration
  /// Says what cannot be put into any log.
  let complain: @Sendable (String) -> Void

  /// Looks again and again until it is cancelled.
  func run(_ agent: Agent) async throws {
    var last: SourceFault?
    while !Task.isCancelled {
      do {
        if await !agent.isPaused { try await look(agent) }
        last = nil
      } catch let fault as SourceFault {
        if fault != last { complain(fault.sentence) }
        last = fault
      }
      try await Task.sleep(for: interval)
    }
  }

  /// Looks once.
  ///
  /// - Throws: `SourceFault` when the folder cannot be read, CustomSoft's database not be used, or
  ///   the outbox is full.
  func look(_ agent: Agent) async throws {
    for found in try await export.source.quotes()
    where try await !export.database.wasAttempted(found) {
      try Task.checkCancellation()
      guard await !agent.isPaused else { return }
      do {
        let outcome = try await agent.attempt("export_quote", entity: entity(of: found)) { job in
          try await export.export(found, job)
        }
        // An attempt that was stopped is made again.
        if outcome.kind != .cancelled { try await export.database.remember(found) }
      } catch let error as AgentError {
        guard case .outboxFull = error else { throw error }
        // Nothing was begun: this quote is attempted when the server has taken the backlog.
        throw SourceFault("\(error)")
      }
    }
  }

  private func entity(of found: QuoteFile.Found) -> Entity {
    var entity = Entity()
    entity.type = "quote"
    entity.id = found.number
    entity.displayName = "Quote \(found.number)"
    return entity
  }
}

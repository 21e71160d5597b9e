import IntegrationAgent

/// "Export Quote": finds a quote in the folder and puts it into CustomSoft, once.
struct ExportQuote: Sendable {
  let source: QuoteSource
  let database: CustomSoftDatabase
  /// Waits before each line, so that a demonstration can be watched.
  let pause: Duration

  /// For a request: the entity's id is the quote's number.
  func run(_ job: Job) async throws -> JobOutcome {
    let number = job.entity.id
    guard let found = try await source.quote(numbered: number) else {
      return .failed(
        "No file in \(source.folder.path) holds quote \(number); put it there as CSV or JSON, or"
          + " check the number.")
    }
    return try await export(found, job)
  }

  /// Exports what a file says.
  ///
  /// The lines are prepared one by one; CustomSoft takes the quote whole, in one transaction, so
  /// that an end at any point leaves all of it or nothing.
  func export(_ found: QuoteFile.Found, _ job: Job) async throws -> JobOutcome {
    let quote = try found.quote.get()
    for index in quote.lines.indices {
      try await job.progress(
        done: index, total: quote.lines.count, "Preparing line \(index + 1): \(found.source)")
      if pause > .zero { try await Task.sleep(for: pause) }
    }
    let export = try await database.export(quote, fingerprint: found.fingerprint)
    try? await job.progress(done: quote.lines.count, total: quote.lines.count)
    let total = "\(quote.currency) \(Self.amount(quote.totalCents))"
    let lines = quote.lines.count == 1 ? "1 line" : "\(quote.lines.count) lines"
    let message =
      switch export.change {
      case .none: "Already exported as \(export.externalNumber); nothing has changed since."
      case .created: "Exported as \(export.externalNumber): \(lines), \(total)."
      case .updated(let revision):
        "Updated \(export.externalNumber) to revision \(revision): \(lines), \(total)."
      }
    return .completed(message, result: ["externalNumber": export.externalNumber, "total": total])
  }

  /// Hundredths as people write them: "7762.00".
  static func amount(_ cents: Int64) -> String {
    let fraction = cents % 100
    return "\(cents / 100).\(fraction < 10 ? "0" : "")\(fraction)"
  }
}

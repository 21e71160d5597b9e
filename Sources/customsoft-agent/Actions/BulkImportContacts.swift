import FoundationEssentials
import IntegrationAgent

/// "Bulk Import Contacts": every row of the contacts files, with counts and an error for each wrong
/// row.
struct BulkImportContacts: Sendable {
  let source: QuoteSource
  let database: CustomSoftDatabase
  let pause: Duration

  /// A request may name one file of the folder.
  static let inputSchema = """
    {"type":"object","additionalProperties":false,"properties":{\
    "file":{"type":"string","title":"File in the folder; all contacts files when left out"}}}
    """

  private struct Input: Decodable {
    var file: String?
  }

  func run(_ job: Job) async throws -> JobOutcome {
    let rows = try await source.contacts(in: try file(job))
    var new = 0
    var known = 0
    var wrong = 0
    for (index, row) in rows.enumerated() {
      try await job.progress(done: index, total: rows.count)
      if pause > .zero { try await Task.sleep(for: pause) }
      do throws(SourceFault) {
        let saved = try await database.save(try row.draft.checked(subject: "Line \(row.line)"))
        if saved.isNew { new += 1 } else { known += 1 }
      } catch {
        wrong += 1
        try await job.recordError(row.reference, error.sentence)
      }
    }
    try await job.progress(done: rows.count, total: rows.count)
    let counts = "\(new) new, \(known) already there, \(wrong) wrong"
    guard wrong < rows.count || rows.isEmpty else {
      return .failed("None of \(rows.count) contacts could be imported; see the record errors.")
    }
    let advice = wrong > 0 ? " Correct the rows under the record errors and import again." : ""
    return .completed(
      "Imported \(rows.count - wrong) of \(rows.count) contacts: \(counts).\(advice)",
      result: ["new": "\(new)", "known": "\(known)", "wrong": "\(wrong)"])
  }

  private func file(_ job: Job) throws(SourceFault) -> String? {
    guard !job.input.isEmpty else { return nil }
    guard let input = try? JSONDecoder().decode(Input.self, from: Data(job.input.utf8)) else {
      throw SourceFault("The input is not an object; give {\"file\":\"contacts.csv\"} or nothing.")
    }
    return input.file
  }
}

import FoundationEssentials
import IntegrationAgent

/// "Import Contact": one contact, from the request's input or from the folder's contacts file.
struct ImportContact: Sendable {
  let source: QuoteSource
  let database: CustomSoftDatabase

  /// What a request may say; all of it may be left out for a contact that the folder has.
  static let inputSchema = """
    {"type":"object","additionalProperties":false,"properties":{\
    "account":{"type":"string","title":"Account"},\
    "name":{"type":"string","title":"Name"},\
    "email":{"type":"string","title":"Email"},\
    "phone":{"type":"string","title":"Phone"}}}
    """

  private struct Input: Decodable {
    var account: String?
    var name: String?
    var email: String?
    var phone: String?
  }

  /// The entity's id is the contact's email.
  func run(_ job: Job) async throws -> JobOutcome {
    let subject = "Contact \(job.entity.id)"
    let contact = try await draft(for: job).checked(subject: subject)
    let saved = try await database.save(contact)
    let verb = saved.isNew ? "Imported" : "Already there and brought up to date"
    return .completed(
      "\(verb) as \(saved.externalNumber): \(contact.name), \(contact.account).",
      result: ["externalNumber": saved.externalNumber])
  }

  private func draft(for job: Job) async throws -> ContactDraft {
    if !job.input.isEmpty {
      guard let input = try? JSONDecoder().decode(Input.self, from: Data(job.input.utf8)) else {
        throw SourceFault(
          "The input is not an object of texts; give account, name, email and phone.")
      }
      if input.account != nil || input.name != nil {
        return ContactDraft(
          account: input.account ?? "", name: input.name ?? "",
          email: input.email ?? job.entity.id, phone: input.phone ?? "")
      }
    }
    let wanted = job.entity.id.lowercased()
    let row = try await source.contacts(in: nil).last { $0.draft.email.lowercased() == wanted }
    guard let row else {
      throw SourceFault(
        "No contacts file in \(source.folder.path) has \(job.entity.id); add it there, or give"
          + " account and name in the request's input.")
    }
    return row.draft
  }
}

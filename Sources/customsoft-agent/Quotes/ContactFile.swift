/// The contacts of a CSV file: account, name, email, phone.
struct ContactFile: Sendable {
  /// A row of the file, usable or not.
  struct Row: Sendable, Equatable {
    var line: Int
    /// What to call it in a record error: its email, or its line where it has none.
    var reference: String
    var draft: ContactDraft
  }

  var rows: [Row]

  /// Reads `contents`.
  ///
  /// - Throws: A fault about the file as a whole; a wrong row is found by `checked()` on its draft.
  init(name: String, contents: [UInt8]) throws(SourceFault) {
    guard let text = String(validating: contents, as: UTF8.self) else {
      throw SourceFault("\(name) is not UTF-8 text; save it with that encoding.")
    }
    do throws(SourceFault) {
      let table = try CSVTable(text)
      let positions = try table.positions(of: ["account", "name", "email"])
      rows = table.rows.map { row in
        func field(_ column: String) -> String { positions[column].map { row.fields[$0] } ?? "" }
        let draft = ContactDraft(
          account: field("account"), name: field("name"), email: field("email"),
          phone: table.columns.firstIndex(of: "phone").map { row.fields[$0] } ?? "")
        let reference = draft.email.isEmpty ? "line \(row.line)" : draft.email
        return Row(line: row.line, reference: reference, draft: draft)
      }
    } catch {
      throw SourceFault("\(name) cannot be read: \(error.sentence)")
    }
  }
}

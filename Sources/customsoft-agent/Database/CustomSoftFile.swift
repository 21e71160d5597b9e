import SQLiteDatabase

/// CustomSoft's own database, used from one thread at a time.
///
/// It stands for the business system that an integration exports to: accounts, contacts, quotes and
/// lines, each quote with the external number that CustomSoft gives it. A quote's number is unique,
/// so exporting it again finds the earlier export. What the agent has attempted is remembered
/// beside it, so that a restart does not begin anew.
final class CustomSoftFile {
  private let database: SQLiteConnection

  private static let schemaVersion: Int64 = 1

  private static let schema = """
    CREATE TABLE account (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE contact (
      id INTEGER PRIMARY KEY, account_id INTEGER NOT NULL REFERENCES account,
      name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, phone TEXT NOT NULL);
    CREATE TABLE quote (
      id INTEGER PRIMARY KEY, external_number TEXT NOT NULL UNIQUE, number TEXT NOT NULL UNIQUE,
      account_id INTEGER NOT NULL REFERENCES account,
      contact_id INTEGER NOT NULL REFERENCES contact,
      currency TEXT NOT NULL, valid_until TEXT NOT NULL, total_cents INTEGER NOT NULL,
      fingerprint INTEGER NOT NULL, revision INTEGER NOT NULL,
      exported_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE line (
      quote_id INTEGER NOT NULL REFERENCES quote, position INTEGER NOT NULL,
      part_number TEXT NOT NULL, description TEXT NOT NULL, quantity INTEGER NOT NULL,
      unit_price_cents INTEGER NOT NULL, PRIMARY KEY (quote_id, position)) WITHOUT ROWID;
    CREATE TABLE attempted (
      number TEXT PRIMARY KEY, fingerprint INTEGER NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = 1;
    """

  init(path: String) throws(SourceFault) {
    do throws(SQLiteError) {
      database = try SQLiteConnection(path: path)
      database.setBusyTimeout(milliseconds: 5000)
      try database.execute("PRAGMA journal_mode = WAL")
      try database.execute("PRAGMA synchronous = FULL")
      try database.execute("PRAGMA foreign_keys = ON")
      let version = try database.rows("PRAGMA user_version").first?.first?.integer ?? 0
      if version == 0 {
        try database.transaction { [database] () throws(SQLiteError) in
          try database.execute(Self.schema)
        }
      } else if version != Self.schemaVersion {
        throw SQLiteError(
          extendedCode: 0, message: "its schema is \(version), this program knows 1")
      }
    } catch {
      throw SourceFault(
        "CustomSoft's database \(path) cannot be used: \(error)\(Self.advice(error))")
    }
  }

  /// What to do where the file cannot be opened, behind a semicolon.
  private static func advice(_ error: SQLiteError) -> String {
    if error.isAccess { return "; check that the directory exists and may be written" }
    if error.isFull { return "; free some space" }
    if error.isDamage { return "; name another file with --database" }
    return ""
  }

  // MARK: Quotes

  /// Puts a quote into CustomSoft, once, in one transaction.
  func export(
    _ quote: Quote, fingerprint: Int64
  ) throws(SourceFault) -> CustomSoftDatabase.Export {
    try write("Quote \(quote.number)") { () throws(SQLiteError) in
      let account = try accountID(quote.account)
      let (contact, _) = try saveContact(quote.contact, account: account)
      let known = try database.rows(
        "SELECT id, external_number, fingerprint, revision FROM quote WHERE number = ?",
        .text(quote.number)
      ).first
      guard let known, let id = known[0].integer else {
        return try insert(quote, fingerprint, account: account, contact: contact)
      }
      let external = known[1].text ?? ""
      if known[2].integer == fingerprint {
        return CustomSoftDatabase.Export(externalNumber: external, change: .none)
      }
      try database.run(
        """
        UPDATE quote SET account_id = ?, contact_id = ?, currency = ?, valid_until = ?,
          total_cents = ?, fingerprint = ?, revision = revision + 1 WHERE id = ?
        """, .integer(account), .integer(contact), .text(quote.currency), .text(quote.validUntil),
        .integer(quote.totalCents), .integer(fingerprint), .integer(id))
      try database.run("DELETE FROM line WHERE quote_id = ?", .integer(id))
      try insertLines(quote.lines, quoteID: id)
      let revision = (known[3].integer ?? 1) + 1
      return CustomSoftDatabase.Export(
        externalNumber: external, change: .updated(revision: revision))
    }
  }

  private func insert(
    _ quote: Quote, _ fingerprint: Int64, account: Int64, contact: Int64
  ) throws(SQLiteError) -> CustomSoftDatabase.Export {
    let last = try database.rows("SELECT coalesce(max(id), 0) FROM quote").first?.first?.integer
    let id = (last ?? 0) + 1
    let external = "CS-\(10_000 + id)"
    try database.run(
      """
      INSERT INTO quote (id, external_number, number, account_id, contact_id, currency,
        valid_until, total_cents, fingerprint, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
      """, .integer(id), .text(external), .text(quote.number), .integer(account),
      .integer(contact), .text(quote.currency), .text(quote.validUntil),
      .integer(quote.totalCents), .integer(fingerprint))
    try insertLines(quote.lines, quoteID: id)
    return CustomSoftDatabase.Export(externalNumber: external, change: .created)
  }

  private func insertLines(_ lines: [QuoteLine], quoteID: Int64) throws(SQLiteError) {
    for (index, line) in lines.enumerated() {
      try database.run(
        "INSERT INTO line VALUES (?, ?, ?, ?, ?, ?)", .integer(quoteID),
        .integer(Int64(index + 1)), .text(line.partNumber), .text(line.description),
        .integer(line.quantity), .integer(line.unitPriceCents))
    }
  }

  // MARK: Contacts

  /// Puts a contact into CustomSoft; the same email changes the one that is there.
  func save(_ contact: Contact) throws(SourceFault) -> CustomSoftDatabase.SavedContact {
    try write("Contact \(contact.email)") { () throws(SQLiteError) in
      let (id, isNew) = try saveContact(contact, account: try accountID(contact.account))
      return CustomSoftDatabase.SavedContact(externalNumber: "CT-\(10_000 + id)", isNew: isNew)
    }
  }

  private func accountID(_ name: String) throws(SQLiteError) -> Int64 {
    try database.run("INSERT OR IGNORE INTO account (name) VALUES (?)", .text(name))
    return try database.rows("SELECT id FROM account WHERE name = ?", .text(name))[0][0].integer
      ?? 0
  }

  private func saveContact(
    _ contact: Contact, account: Int64
  ) throws(SQLiteError) -> (id: Int64, isNew: Bool) {
    let known = try database.rows("SELECT id FROM contact WHERE email = ?", .text(contact.email))
    if let id = known.first?.first?.integer {
      try database.run(
        """
        UPDATE contact SET account_id = ?, name = ?,
          phone = CASE WHEN ?3 = '' THEN phone ELSE ?3 END WHERE id = ?
        """, .integer(account), .text(contact.name), .text(contact.phone), .integer(id))
      return (id, false)
    }
    try database.run(
      "INSERT INTO contact (account_id, name, email, phone) VALUES (?, ?, ?, ?)",
      .integer(account), .text(contact.name), .text(contact.email), .text(contact.phone))
    return (database.lastInsertRowID, true)
  }

  // MARK: What was attempted

  /// Whether this text of a quote was attempted before, well or not.
  func wasAttempted(_ number: String, fingerprint: Int64) throws(SourceFault) -> Bool {
    do throws(SQLiteError) {
      let rows = try database.rows(
        "SELECT 1 FROM attempted WHERE number = ? AND fingerprint = ?", .text(number),
        .integer(fingerprint))
      return !rows.isEmpty
    } catch {
      throw fault("The list of attempts", error)
    }
  }

  /// Remembers that this text of a quote was attempted.
  func remember(_ number: String, fingerprint: Int64) throws(SourceFault) {
    try write("The list of attempts") { () throws(SQLiteError) in
      try database.run(
        "INSERT OR REPLACE INTO attempted VALUES (?, ?)", .text(number), .integer(fingerprint))
    }
  }

  private func write<Value>(
    _ subject: String, _ body: () throws(SQLiteError) -> Value
  ) throws(SourceFault) -> Value {
    do throws(SQLiteError) {
      return try database.transaction(body)
    } catch {
      throw fault(subject, error)
    }
  }

  private func fault(_ subject: String, _ error: SQLiteError) -> SourceFault {
    let advice = error.isFull ? "free some disk space" : "see that its file can be written"
    return SourceFault("\(subject) was not saved in CustomSoft's database: \(error); \(advice).")
  }
}

import Glibc
import TestSupport
import Testing

@testable import customsoft_agent

@Suite struct CSVTableTests {
  @Test("Quotes, commas, line breaks and doubled quotes in fields are understood")
  func fields() throws {
    let table = try CSVTable(
      "\u{FEFF}Name, Text\r\nA,\"x, \"\"y\"\"\nz\"\r\n\r\n  B  ,\r\n")
    #expect(table.columns == ["name", "text"])
    #expect(
      table.rows == [
        CSVTable.Row(line: 2, fields: ["A", "x, \"y\"\nz"]),
        CSVTable.Row(line: 5, fields: ["B", ""]),
      ])
  }

  @Test(
    "What cannot be read names its line",
    arguments: [
      ("", "empty"), ("a,b\n1", "Line 2 has 1 fields"), ("a,b\n1,2\n1,2,3", "Line 3 has 3 fields"),
      ("a\n\"x", "opens on line 2"), ("a\n\"x\"y", "Line 2 has text behind"),
    ])
  func faults(text: String, expected: String) {
    let fault = #expect(throws: SourceFault.self) { try CSVTable(text) }
    #expect(fault?.sentence.contains(expected) == true, "\(fault?.sentence ?? "")")
  }

  @Test("Missing columns are listed")
  func columns() throws {
    let table = try CSVTable("b,c\n1,2")
    let fault = #expect(throws: SourceFault.self) { try table.positions(of: ["a", "b", "d"]) }
    #expect(fault?.sentence == "The header lacks a, d; it has b, c.")
  }
}

@Suite struct QuoteFileTests {
  private static let draft = QuoteDraft(
    number: "Q-1", account: "Acme", contactName: "Ada", contactEmail: "Ada@Acme.example",
    currency: "EUR", validUntil: "2028-02-29",
    lines: [QuoteDraft.Line(partNumber: "P", description: "Part", quantity: "3", unitPrice: "1.5")])

  @Test("A good draft becomes a quote in CustomSoft's units")
  func good() throws {
    let quote = try Self.draft.checked()
    #expect(quote.totalCents == 450)
    #expect(quote.contact.email == "ada@acme.example")
    #expect(
      quote.lines == [
        QuoteLine(partNumber: "P", description: "Part", quantity: 3, unitPriceCents: 150)
      ])
  }

  @Test(
    "A wrong draft is refused with a sentence that names the field and what to give",
    arguments: [
      ("number", "", "no usable number"), ("number", "Q 1", "no usable number"),
      ("account", "", "names no account"), ("name", "", "no contact name"),
      ("email", "ada", "ada@example.com"), ("email", "a@b@c.d", "ada@example.com"),
      ("currency", "eur", "\"eur\""), ("date", "2027-02-29", "2027-02-29"),
      ("date", "31.01.2027", "2027-01-31"), ("quantity", "-3", "line 1 has the quantity \"-3\""),
      ("quantity", "1.5", "whole number"), ("quantity", "9999999999999999999", "whole number"),
      ("price", "-1", "12.50"), ("price", "1.234", "two decimals"), ("price", "1e9", "12.50"),
      ("part", "", "part number"), ("lines", "", "0 lines"),
    ])
  func wrong(field: String, value: String, expected: String) {
    var draft = Self.draft
    switch field {
    case "number": draft.number = value
    case "account": draft.account = value
    case "name": draft.contactName = value
    case "email": draft.contactEmail = value
    case "currency": draft.currency = value
    case "date": draft.validUntil = value
    case "quantity": draft.lines[0].quantity = value
    case "price": draft.lines[0].unitPrice = value
    case "part": draft.lines[0].partNumber = value
    default: draft.lines = []
    }
    let fault = #expect(throws: SourceFault.self) { try draft.checked() }
    #expect(fault?.sentence.contains(expected) == true, "\(fault?.sentence ?? "")")
  }

  @Test("A total that does not fit is refused, not wrapped")
  func overflow() {
    var draft = Self.draft
    let line = QuoteDraft.Line(
      partNumber: "P", description: "", quantity: "1000000", unitPrice: "999999999999.99")
    draft.lines = Array(repeating: line, count: 1000)
    #expect(throws: SourceFault.self) { try draft.checked() }
  }

  @Test(
    "Amounts are exact",
    arguments: [("0", 0), ("12", 1200), ("12.5", 1250), ("12.50", 1250), ("0.07", 7)])
  func amounts(text: String, cents: Int64) {
    #expect(FieldCheck.cents(text) == cents)
  }

  @Test("One wrong quote of a file leaves the others good, and says where it stands")
  func csv() throws {
    let header =
      "quote_number,account,contact_name,contact_email,currency,valid_until,part_number,"
      + "description,quantity,unit_price\n"
    let text =
      header + "Q-1,Acme,Ada,a@b.example,EUR,2027-01-31,P,x,1,2\n"
      + "Q-2,Acme,Ada,a@b.example,EUR,2027-01-31,P,x,zero,2\n"
      + "Q-1,Acme,Ada,a@b.example,EUR,2027-01-31,R,y,4,0.5\n"
    let found = QuoteFile.read(name: "may.csv", contents: Array(text.utf8))
    #expect(found.map(\.number) == ["Q-1", "Q-2"])
    #expect(try found[0].quote.get().totalCents == 400)
    let fault = #expect(throws: SourceFault.self) { try found[1].quote.get() }
    #expect(fault?.sentence.hasSuffix("(may.csv, line 3)") == true)
  }

  @Test("JSON holds one quote or a list; numbers may be numbers or text")
  func json() throws {
    let quote = """
      {"number":"Q-3","account":"Acme","contact":{"name":"Ada","email":"a@b.example"},
      "currency":"USD","validUntil":"2027-05-31",
      "lines":[{"partNumber":"P","quantity":200,"unitPrice":18.40},
      {"partNumber":"R","quantity":"2","unitPrice":"6.95"}]}
      """
    let one = QuoteFile.read(name: "Q-3.json", contents: Array(quote.utf8))
    #expect(try one.first?.quote.get().totalCents == 369_390)
    let two = QuoteFile.read(name: "all.json", contents: Array("[\(quote),{}]".utf8))
    #expect(two.map(\.number) == ["Q-3", "all.json"])
    #expect(throws: SourceFault.self) { try two[1].quote.get() }
    #expect(two[0].fingerprint == one[0].fingerprint)
  }

  @Test(
    "A file that cannot be read as a whole is one fault under its name",
    arguments: ["", "{", "[1]", "{\"lines\":3}", "\u{0}"])
  func unreadable(text: String) {
    let found = QuoteFile.read(name: "bad.json", contents: Array(text.utf8))
    #expect(found.map(\.number) == ["bad.json"])
    let fault = #expect(throws: SourceFault.self) { try found[0].quote.get() }
    #expect(fault?.sentence.contains("bad.json") == true)
  }

  @Test("Bytes that are no UTF-8 are refused in words")
  func encoding() {
    let found = QuoteFile.read(name: "bad.csv", contents: [0xFF, 0xFE, 0x41])
    let fault = #expect(throws: SourceFault.self) { try found[0].quote.get() }
    #expect(fault?.sentence.contains("UTF-8") == true)
  }

  @Test("An edit changes the fingerprint")
  func fingerprint() {
    let one = QuoteFile.read(name: "a.json", contents: Array("{\"number\":\"Q-1\"}".utf8))
    let two = QuoteFile.read(name: "a.json", contents: Array("{\"number\":\"Q-2\"}".utf8))
    #expect(one[0].fingerprint != two[0].fingerprint)
  }
}

@Suite struct CustomSoftTests {
  let directory: ScratchDirectory
  let database: CustomSoftDatabase

  init() throws {
    directory = try ScratchDirectory()
    database = try CustomSoftDatabase(path: directory.file("customsoft.db"))
  }

  private func quote(_ number: String, quantity: Int64 = 1) -> Quote {
    Quote(
      number: number, account: "Acme",
      contact: Contact(account: "Acme", name: "Ada", email: "ada@acme.example", phone: ""),
      currency: "EUR", validUntil: "2027-01-31",
      lines: [
        QuoteLine(partNumber: "P", description: "", quantity: quantity, unitPriceCents: 100)
      ], totalCents: quantity * 100)
  }

  @Test("A quote is exported once; again it is found by its number, and an edit changes it")
  func export() async throws {
    let first = try await database.export(quote("Q-1"), fingerprint: 1)
    #expect(first.change == .created)
    let other = try await database.export(quote("Q-2"), fingerprint: 1)
    #expect(other.externalNumber != first.externalNumber)
    let again = try await database.export(quote("Q-1"), fingerprint: 1)
    #expect(again == CustomSoftDatabase.Export(externalNumber: first.externalNumber, change: .none))
    let edited = try await database.export(quote("Q-1", quantity: 5), fingerprint: 2)
    #expect(edited.externalNumber == first.externalNumber)
    #expect(edited.change == .updated(revision: 2))
  }

  @Test("Many exports of one quote at the same time make one")
  func concurrent() async throws {
    let quote = quote("Q-1")
    let exports = try await withThrowingTaskGroup(of: CustomSoftDatabase.Export.self) { group in
      for _ in 1...10 {
        group.addTask { try await database.export(quote, fingerprint: 1) }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(exports.map(\.externalNumber)).count == 1)
    #expect(exports.count { $0.change == .created } == 1)
  }

  @Test("A contact is told apart by its email")
  func contacts() async throws {
    var contact = Contact(account: "Acme", name: "Ada", email: "ada@acme.example", phone: "1")
    let first = try await database.save(contact)
    #expect(first.isNew)
    contact.name = "Ada Park"
    let again = try await database.save(contact)
    #expect(!again.isNew)
    #expect(again.externalNumber == first.externalNumber)
  }

  @Test("What was attempted is remembered until its text changes")
  func remembered() async throws {
    var found = QuoteFile.Found(
      number: "Q-1", source: "a", fingerprint: 1, quote: .failure(SourceFault("x")))
    #expect(try await !database.wasAttempted(found))
    try await database.remember(found)
    #expect(try await database.wasAttempted(found))
    found.fingerprint = 2
    #expect(try await !database.wasAttempted(found))
  }

  @Test("The folder gives quotes and contacts, and refuses to leave itself")
  func folder() throws {
    try directory.write("{\"number\":\"Q-9\"}", to: "a.json")
    try directory.write("account,name,email\nAcme,Ada,a@b.example\n", to: "contacts.csv")
    try directory.write("nothing", to: "readme.txt")
    #expect(mkfifo(directory.file("pipe.json"), 0o600) == 0)
    let folder = QuoteFolder(path: directory.path)
    #expect(try folder.quotes().map(\.number) == ["Q-9", "pipe.json"])
    let fault = #expect(throws: SourceFault.self) { try folder.quotes().last?.quote.get() }
    #expect(fault?.sentence.contains("no ordinary file") == true)
    #expect(try folder.quote(numbered: "Q-9") != nil)
    #expect(try folder.quote(numbered: "Q-8") == nil)
    #expect(try folder.contacts(in: nil).map(\.reference) == ["a@b.example"])
    #expect(throws: SourceFault.self) { try folder.contacts(in: "../contacts.csv") }
    #expect(throws: SourceFault.self) { try folder.contacts(in: "none.csv") }
    #expect(throws: SourceFault.self) { try QuoteFolder(path: "/nowhere").quotes() }
  }
}

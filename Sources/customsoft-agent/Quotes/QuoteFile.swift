import FoundationEssentials

/// What one file of the folder says: the quotes in it, checked one by one.
struct QuoteFile: Sendable {
  /// A quote that a file names, usable or not.
  struct Found: Sendable, Equatable {
    /// As the file says it; the file's name where it gives none.
    var number: String
    /// Where it stands, for messages: "spring.csv, line 5".
    var source: String
    /// Changes when the quote's text changes; stable over runs.
    var fingerprint: Int64
    var quote: Result<Quote, SourceFault>
  }

  /// The largest file that is read: a folder that somebody else fills may hold anything.
  static let maximumBytes = 16 << 20

  /// The quotes in a file.
  ///
  /// A file that cannot be read as a whole is one quote with a fault, so that it makes a log that
  /// somebody sees.
  static func read(name: String, contents: [UInt8]) -> [Found] {
    do throws(SourceFault) {
      let drafts = try drafts(name: name, contents: contents)
      guard !drafts.isEmpty else { throw SourceFault("It holds no quote.") }
      return drafts.map { draft, source in
        let number = FieldCheck.isNumber(draft.number) ? draft.number : name
        let quote = Result { () throws(SourceFault) in try draft.checked() }
        return Found(
          number: number, source: source, fingerprint: fingerprint(of: draft),
          quote: quote.mapError { SourceFault("\($0.sentence) (\(source))") })
      }
    } catch {
      return [unreadable(name: name, error, fingerprint: fingerprint(contents))]
    }
  }

  /// What stands for a file that cannot be read.
  static func unreadable(name: String, _ fault: SourceFault, fingerprint: Int64 = 0) -> Found {
    Found(
      number: name, source: name, fingerprint: fingerprint,
      quote: .failure(SourceFault("\(name) cannot be read: \(fault.sentence)")))
  }

  private static func drafts(
    name: String, contents: [UInt8]
  ) throws(SourceFault) -> [(QuoteDraft, String)] {
    guard contents.count <= maximumBytes else {
      throw SourceFault(
        "it has \(contents.count) bytes, and \(maximumBytes) is the limit; split it.")
    }
    guard let text = String(validating: contents, as: UTF8.self) else {
      throw SourceFault("it is not UTF-8 text; save it with that encoding.")
    }
    return name.lowercased().hasSuffix(".json")
      ? try jsonDrafts(name: name, text: text) : try csvDrafts(name: name, text: text)
  }

  // MARK: CSV

  private static let csvColumns = [
    "quote_number", "account", "contact_name", "contact_email", "currency", "valid_until",
    "part_number", "description", "quantity", "unit_price",
  ]

  /// One row a quote line; the rows of one quote carry the same number and stand anywhere.
  private static func csvDrafts(
    name: String, text: String
  ) throws(SourceFault) -> [(QuoteDraft, String)] {
    let table = try CSVTable(text)
    let positions = try table.positions(of: csvColumns)
    var order: [String] = []
    var drafts: [String: (QuoteDraft, String)] = [:]
    for row in table.rows {
      func field(_ column: String) -> String { positions[column].map { row.fields[$0] } ?? "" }
      let number = field("quote_number")
      if drafts[number] == nil {
        order.append(number)
        let draft = QuoteDraft(
          number: number, account: field("account"), contactName: field("contact_name"),
          contactEmail: field("contact_email"), contactPhone: field("contact_phone"),
          currency: field("currency"), validUntil: field("valid_until"))
        drafts[number] = (draft, "\(name), line \(row.line)")
      }
      drafts[number]?.0.lines.append(
        QuoteDraft.Line(
          partNumber: field("part_number"), description: field("description"),
          quantity: field("quantity"), unitPrice: field("unit_price")))
    }
    return order.compactMap { drafts[$0] }
  }

  // MARK: JSON

  /// One quote object, or an array of them.
  private static func jsonDrafts(
    name: String, text: String
  ) throws(SourceFault) -> [(QuoteDraft, String)] {
    let data = Data(text.utf8)
    do {
      let isList = text.utf8.first { $0 > 0x20 } == UInt8(ascii: "[")
      let quotes =
        isList
        ? try JSONDecoder().decode([JSONQuote].self, from: data)
        : [try JSONDecoder().decode(JSONQuote.self, from: data)]
      return quotes.enumerated().map { index, quote in
        (quote.draft, isList ? "\(name), quote \(index + 1)" : name)
      }
    } catch let error as DecodingError {
      throw SourceFault(sentence(for: error))
    } catch {
      throw SourceFault("it is not JSON as expected.")
    }
  }

  private static func sentence(for error: DecodingError) -> String {
    func place(_ path: [any CodingKey]) -> String {
      path.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
    }
    switch error {
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return "the value at \(place(context.codingPath)) has the wrong type."
    case .keyNotFound(let key, let context):
      return "\(place(context.codingPath + [key])) is missing."
    case .dataCorrupted:
      return "it is not valid JSON."
    @unknown default:
      return "it is not JSON as expected."
    }
  }

  // MARK: Fingerprint

  private static func fingerprint(of draft: QuoteDraft) -> Int64 {
    var text: [UInt8] = []
    func add(_ field: String) {
      text.append(contentsOf: field.utf8)
      text.append(0)
    }
    for field in [
      draft.number, draft.account, draft.contactName, draft.contactEmail, draft.contactPhone,
      draft.currency, draft.validUntil,
    ] { add(field) }
    for line in draft.lines {
      for field in [line.partNumber, line.description, line.quantity, line.unitPrice] { add(field) }
    }
    return fingerprint(text)
  }

  /// FNV-1a, 64 bits: tells an edited quote from the same one, nothing more.
  private static func fingerprint(_ bytes: [UInt8]) -> Int64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return Int64(bitPattern: hash)
  }
}

/// A quote in a JSON file; every field may be left out, so that its absence gets our own sentence.
private struct JSONQuote: Decodable {
  struct Person: Decodable {
    var name: LooseText?
    var email: LooseText?
    var phone: LooseText?
  }
  struct Line: Decodable {
    var partNumber: LooseText?
    var description: LooseText?
    var quantity: LooseText?
    var unitPrice: LooseText?
  }
  var number: LooseText?
  var account: LooseText?
  var contact: Person?
  var currency: LooseText?
  var validUntil: LooseText?
  var lines: [Line]?

  var draft: QuoteDraft {
    QuoteDraft(
      number: number.text, account: account.text, contactName: (contact?.name).text,
      contactEmail: (contact?.email).text, contactPhone: (contact?.phone).text,
      currency: currency.text, validUntil: validUntil.text,
      lines: (lines ?? []).map { line in
        QuoteDraft.Line(
          partNumber: line.partNumber.text, description: line.description.text,
          quantity: line.quantity.text, unitPrice: line.unitPrice.text)
      })
  }
}

/// Text or a number; a number keeps its decimal digits.
private struct LooseText: Decodable {
  var text: String

  init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    text = try (try? value.decode(String.self)) ?? value.decode(Decimal.self).description
  }
}

extension LooseText? {
  fileprivate var text: String { self?.text ?? "" }
}

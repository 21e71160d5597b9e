/// A quote as its file says it: text that nobody has checked.
struct QuoteDraft: Sendable, Equatable {
  struct Line: Sendable, Equatable {
    var partNumber = ""
    var description = ""
    var quantity = ""
    var unitPrice = ""
  }

  var number = ""
  var account = ""
  var contactName = ""
  var contactEmail = ""
  var contactPhone = ""
  var currency = ""
  var validUntil = ""
  var lines: [Line] = []

  /// The most lines that CustomSoft takes in one quote.
  static let maximumLines = 10_000

  /// The quote, or the first thing that has to be fixed in it.
  func checked() throws(SourceFault) -> Quote {
    let subject = number.isEmpty ? "The quote" : "Quote \(number)"
    guard FieldCheck.isNumber(number) else {
      throw SourceFault(
        "\(subject) has no usable number; give 1 to 64 letters, digits, dots, dashes or"
          + " underscores.")
    }
    let contact = try ContactDraft(
      account: account, name: contactName, email: contactEmail, phone: contactPhone
    ).checked(subject: subject)
    guard FieldCheck.currencies.contains(currency) else {
      throw SourceFault(
        "\(subject) is in \(shown(currency)), which CustomSoft does not know; give one of"
          + " \(FieldCheck.currencies.sorted().joined(separator: ", ")).")
    }
    guard FieldCheck.isDate(validUntil) else {
      throw SourceFault(
        "\(subject) is valid until \(shown(validUntil)); give a date such as 2027-01-31.")
    }
    let lines = try checkedLines(subject)
    return Quote(
      number: number, account: contact.account, contact: contact, currency: currency,
      validUntil: validUntil, lines: lines, totalCents: try total(of: lines, subject))
  }

  private func checkedLines(_ subject: String) throws(SourceFault) -> [QuoteLine] {
    guard (1...Self.maximumLines).contains(lines.count) else {
      throw SourceFault(
        "\(subject) has \(lines.count) lines; CustomSoft takes 1 to \(Self.maximumLines).")
    }
    var checked: [QuoteLine] = []
    for (index, line) in lines.enumerated() {
      checked.append(try line.checked(subject: "\(subject), line \(index + 1)"))
    }
    return checked
  }

  private func total(of lines: [QuoteLine], _ subject: String) throws(SourceFault) -> Int64 {
    var total: Int64 = 0
    for line in lines {
      let (amount, overflow) = line.quantity.multipliedReportingOverflow(by: line.unitPriceCents)
      let (sum, tooMuch) = total.addingReportingOverflow(amount)
      guard !overflow, !tooMuch else {
        throw SourceFault("\(subject) adds up to more than CustomSoft can hold; split it.")
      }
      total = sum
    }
    return total
  }
}

extension QuoteDraft.Line {
  fileprivate func checked(subject: String) throws(SourceFault) -> QuoteLine {
    guard !partNumber.isEmpty, partNumber.utf8.count <= 64 else {
      throw SourceFault(
        "\(subject) has no usable part number: \(shown(partNumber)); give 1 to 64 bytes of text.")
    }
    guard let count = Int64(quantity), (1...1_000_000).contains(count) else {
      throw SourceFault(
        "\(subject) has the quantity \(shown(quantity)); give a whole number from 1 to 1000000.")
    }
    guard let cents = FieldCheck.cents(unitPrice) else {
      throw SourceFault(
        "\(subject) has the unit price \(shown(unitPrice)); give an amount such as 12.50, without"
          + " a sign and with at most two decimals.")
    }
    return QuoteLine(
      partNumber: partNumber, description: description, quantity: count, unitPriceCents: cents)
  }
}

/// A contact as its file or its request says it.
struct ContactDraft: Sendable, Equatable {
  var account = ""
  var name = ""
  var email = ""
  var phone = ""

  /// The contact, or the first thing that has to be fixed in it.
  func checked(subject: String) throws(SourceFault) -> Contact {
    guard !account.isEmpty, account.utf8.count <= 200 else {
      throw SourceFault("\(subject) names no account; give the customer's name, up to 200 bytes.")
    }
    guard !name.isEmpty, name.utf8.count <= 200 else {
      throw SourceFault("\(subject) has no contact name; give one, up to 200 bytes.")
    }
    guard FieldCheck.isEmail(email) else {
      let given = email.isEmpty ? "no contact email" : "the contact email \(shown(email))"
      throw SourceFault("\(subject) has \(given); give an address such as ada@example.com.")
    }
    return Contact(account: account, name: name, email: email.lowercased(), phone: phone)
  }
}

/// Text from a file for a message: in quotes, and cut where it is long.
private func shown(_ text: String) -> String {
  let limit = 60
  return text.count > limit ? "\"\(text.prefix(limit))…\"" : "\"\(text)\""
}

/// The rules for single fields.
enum FieldCheck {
  /// What CustomSoft is set up for.
  static let currencies: Set<String> = ["CAD", "CHF", "EUR", "GBP", "JPY", "SEK", "USD"]

  static func isNumber(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        isDigit(byte) || isLetter(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
          || byte == UInt8(ascii: ".")
      }
  }

  static func isEmail(_ text: String) -> Bool {
    let parts = text.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
    guard text.utf8.count <= 254, parts.count == 2, !parts[0].isEmpty else { return false }
    let labels = parts[1].split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return labels.count >= 2 && labels.allSatisfy { !$0.isEmpty }
      && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
  }

  /// A day of the Gregorian calendar, as "2027-01-31".
  static func isDate(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.count == 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
      let year = Int(text.prefix(4)), let month = Int(text.dropFirst(5).prefix(2)),
      let day = Int(text.suffix(2)), year >= 1900
    else { return false }
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return (1...12).contains(month) && (1...days[month - 1]).contains(day)
  }

  /// An amount with at most two decimals in hundredths; nil for anything else.
  static func cents(_ text: String) -> Int64? {
    let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), (1...12).contains(parts[0].count),
      parts.allSatisfy({ $0.allSatisfy(isDigit) }),
      let whole = Int64(String(decoding: parts[0], as: UTF8.self))
    else { return nil }
    guard parts.count == 2 else { return whole * 100 }
    guard (1...2).contains(parts[1].count),
      let fraction = Int64(String(decoding: parts[1], as: UTF8.self))
    else { return nil }
    return whole * 100 + (parts[1].count == 1 ? fraction * 10 : fraction)
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }
}

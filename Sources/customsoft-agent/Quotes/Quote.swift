/// A quote that holds what CustomSoft needs: checked, and in CustomSoft's units.
struct Quote: Sendable, Equatable {
  var number: String
  var account: String
  var contact: Contact
  /// ISO 4217, upper-case.
  var currency: String
  /// "2027-01-31".
  var validUntil: String
  /// At least one.
  var lines: [QuoteLine]
  /// The sum of the lines, in hundredths of the currency.
  var totalCents: Int64
}

/// One position of a quote.
struct QuoteLine: Sendable, Equatable {
  var partNumber: String
  var description: String
  var quantity: Int64
  var unitPriceCents: Int64
}

/// A person at an account.
struct Contact: Sendable, Equatable {
  var account: String
  var name: String
  /// Lower-case; CustomSoft tells contacts apart by it.
  var email: String
  var phone: String
}

/// Why a quote, a contact or a file cannot be taken: one sentence that says what to fix.
struct SourceFault: Error, Sendable, Equatable, CustomStringConvertible {
  var sentence: String

  init(_ sentence: String) {
    self.sentence = sentence
  }

  var description: String { sentence }
}

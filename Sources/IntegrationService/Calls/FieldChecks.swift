import IntegrationModel
import ProtobufRuntime
import RPCWire

/// Collects what is wrong with a call's fields.
///
/// Costs nothing while all is well.
struct FieldChecks {
  private(set) var violations: [FieldViolation] = []

  /// Whether nothing is wrong so far.
  var isEmpty: Bool { violations.isEmpty }

  /// Notes what is wrong with a field; nil: nothing is.
  mutating func note(_ field: @autoclosure () -> String, _ complaint: String?) {
    guard let complaint else { return }
    violations.append(FieldViolation(field: field(), description: complaint))
  }

  /// An id, name or type that must be there.
  mutating func name(_ text: ProtobufText, _ field: @autoclosure () -> String) {
    note(field(), unsafe FieldRules.complaint(name: text.bytes))
  }

  /// An id, name or type that may be left out.
  mutating func optionalName(_ text: ProtobufText, _ field: @autoclosure () -> String) {
    if !text.isEmpty { name(text, field()) }
  }

  /// A text of at most so many bytes.
  mutating func text(
    _ text: ProtobufText, _ field: @autoclosure () -> String, maximum: Int
  ) {
    note(field(), FieldRules.complaint(bytes: text.count, maximum: maximum))
  }

  /// A list of at most so many items.
  mutating func list(_ count: Int, _ field: @autoclosure () -> String, maximum: Int) {
    note(field(), FieldRules.complaint(count: count, maximum: maximum))
  }

  /// A number that must fit 63 bits, because stores have signed ones.
  mutating func count(_ number: UInt64, _ field: @autoclosure () -> String) {
    guard number > Int64.max else { return }
    note(field(), "expected at most \(Int64.max); it is \(number)")
  }

  /// A number in a range, or 0 for the default.
  mutating func range(
    _ number: UInt32, _ field: @autoclosure () -> String, _ range: ClosedRange<UInt32>
  ) {
    guard number != 0, !range.contains(number) else { return }
    note(field(), "expected 0 or \(range.lowerBound) to \(range.upperBound); it is \(number)")
  }

  /// JSON of at most 256 KiB, or nothing.
  mutating func document(_ text: ProtobufText, _ field: @autoclosure () -> String) {
    guard !text.isEmpty else { return }
    guard text.count <= FieldRules.maximumDocumentBytes else {
      return self.text(text, field(), maximum: FieldRules.maximumDocumentBytes)
    }
    do {
      _ = try JSONParser.parse(text.string)
    } catch {
      note(field(), error.description)
    }
  }

  /// An entity; one without a type is none.
  mutating func entity(
    type: ProtobufText, id: ProtobufText, displayName: ProtobufText, url: ProtobufText,
    _ prefix: @autoclosure () -> String
  ) {
    optionalName(type, "\(prefix())type")
    text(id, "\(prefix())id", maximum: FieldRules.maximumShortTextBytes)
    text(displayName, "\(prefix())display_name", maximum: FieldRules.maximumShortTextBytes)
    text(url, "\(prefix())url", maximum: FieldRules.maximumMessageBytes)
    if type.isEmpty, !id.isEmpty {
      note("\(prefix())type", "expected a type beside the id; it is empty")
    }
    if id.isEmpty, !type.isEmpty {
      note("\(prefix())id", "expected an id beside the type; it is empty")
    }
  }
}

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`, so that a key survives being read
/// aloud, and five random bits make one character without bias.
enum CredentialAlphabet {
  static let characters = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

  /// Whether a byte is one of the 32 characters.
  static func contains(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "i"), UInt8(ascii: "l"), UInt8(ascii: "o"), UInt8(ascii: "u"): false
    case UInt8(ascii: "a")...UInt8(ascii: "z"): true
    default: false
    }
  }

  /// One character from a byte's low five bits.
  static func character(from byte: UInt8) -> UInt8 { characters[Int(byte & 31)] }
}

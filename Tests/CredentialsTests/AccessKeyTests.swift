import Credentials
import Testing

@Suite("Keys and tokens")
struct AccessKeyTests {
  @Test("A new key reads back as itself")
  func roundTrip() throws {
    let key = try AccessKey.generate(.integration)
    let again = try AccessKey(parsing: key.secretText.utf8)
    #expect(again.id == key.id)
    #expect(again.digest == key.digest)
    #expect(key.secretText.utf8.count == 50)
    #expect(key.secretText.hasPrefix("imk_\(key.id)"))
  }

  @Test("Keys and tokens differ by their beginning", arguments: AccessKey.Kind.allCases)
  func kinds(kind: AccessKey.Kind) throws {
    let key = try AccessKey.generate(kind)
    #expect(key.secretText.hasPrefix("\(kind.prefix)\(key.id)"))
    #expect(try AccessKey(parsing: key.secretText.utf8).kind == kind)
    #expect(key.secretText.utf8.count == AccessKey.textCharacters)
    // The checksum covers the prefix: a key does not become a token.
    let other = AccessKey.Kind.allCases.first { $0 != kind }
    let forged = (other?.prefix ?? "") + key.secretText.dropFirst(4)
    #expect(throws: CredentialError.checksumWrong) { try AccessKey(parsing: forged.utf8) }
  }

  @Test("Two keys share neither name nor secret")
  func distinct() throws {
    let first = try AccessKey.generate(.integration)
    let second = try AccessKey.generate(.integration)
    #expect(first.id != second.id)
    #expect(!first.matches(digest: second.digest))
    #expect(first.matches(digest: first.digest))
  }

  @Test("A mistyped character is caught by the checksum", arguments: 4..<50)
  func typingError(offset: Int) throws {
    var bytes = Array(try AccessKey.generate(.integration).secretText.utf8)
    bytes[offset] = bytes[offset] == UInt8(ascii: "7") ? UInt8(ascii: "8") : UInt8(ascii: "7")
    #expect(throws: CredentialError.checksumWrong) { try AccessKey(parsing: bytes) }
  }

  @Test("Two swapped neighbours are caught", arguments: 12..<43)
  func swapped(offset: Int) throws {
    var bytes = Array(try AccessKey.generate(.integration).secretText.utf8)
    guard bytes[offset] != bytes[offset + 1] else { return }
    bytes.swapAt(offset, offset + 1)
    #expect(throws: CredentialError.checksumWrong) { try AccessKey(parsing: bytes) }
  }

  @Test("A key cut short says how long a key is", arguments: 4..<50)
  func truncated(count: Int) throws {
    let bytes = Array(try AccessKey.generate(.integration).secretText.utf8.prefix(count))
    #expect(throws: CredentialError.lengthWrong(expected: 50, got: count)) {
      try AccessKey(parsing: bytes)
    }
  }

  @Test(
    "Other text is no key",
    arguments: ["", "i", "imk", "IMK_00000000", "ghp_0123456789", "\u{0}\u{0}\u{0}\u{0}"])
  func otherText(text: String) {
    #expect(throws: CredentialError.prefixMissing) { try AccessKey(parsing: text.utf8) }
  }

  @Test("A character outside the alphabet is named by its place", arguments: [4, 20, 49])
  func invalidCharacter(offset: Int) throws {
    var bytes = Array(try AccessKey.generate(.integration).secretText.utf8)
    bytes[offset] = UInt8(ascii: "U")
    #expect(throws: CredentialError.characterInvalid(offset: offset)) {
      try AccessKey(parsing: bytes)
    }
  }

  @Test("A key's description holds no secret")
  func description() throws {
    let key = try AccessKey.generate(.integration)
    #expect("\(key)" == "imk_\(key.id)…")
  }

  @Test("SHA-256 is the standard's", arguments: ["abc"])
  func digest(text: String) {
    let hex = Cryptography.sha256(Array(text.utf8)).map {
      ($0 < 16 ? "0" : "") + String($0, radix: 16)
    }
    // FIPS 180-2, appendix B.1.
    #expect(hex.joined() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test(
    "Comparison in constant time agrees with equality",
    arguments: [([], []), ([1], []), ([1, 2], [1, 2]), ([1, 2], [1, 3])] as [([UInt8], [UInt8])])
  func comparison(pair: ([UInt8], [UInt8])) {
    #expect(Cryptography.isEqualInConstantTime(pair.0, pair.1) == (pair.0 == pair.1))
  }
}

@Suite("Secrets leave memory when nobody holds them")
struct WipingTests {
  @Test("A text is overwritten for each of its holders")
  func text() {
    var text = String(repeating: "secret ", count: 8)
    let other = text
    Cryptography.wipe(&text)
    #expect(text.isEmpty)
    #expect(other.utf8.allSatisfy { $0 == 0 })
    #expect(other.utf8.count == 56)
  }

  @Test("A short text, which lies in the value, is left to its holders")
  func shortText() {
    var text = "short"
    let other = text
    Cryptography.wipe(&text)
    #expect(text.isEmpty)
    #expect(other == "short")
  }

  @Test("A key that was made shows its text; its bytes are 50")
  func made() throws {
    let key = try AccessKey.generate(.operator)
    #expect(key.withSecretText { $0.count } == 50)
    #expect(key.withSecretText { String(decoding: $0, as: UTF8.self) } == key.secretText)
  }
}

/// An integration's API key: the credential that its agents show in HELLO.
///
/// The text is `imk_`, 8 characters that name the key, 32 random characters (160 bits) and 6
/// characters of checksum, 50 in all. The name may be shown and logged; the random part is the
/// secret. The checksum (30 bits of SHA-256 over all before it) lets a typing error be told from a
/// wrong key, and lets a scanner of source code be sure of what it found.
public struct APIKey: Sendable {
  /// What every key begins with.
  public static let prefix = "imk_"
  /// How many characters name a key.
  public static let idCharacters = 8
  /// How many random characters make the secret.
  public static let randomCharacters = 32
  /// How many characters of checksum end a key.
  public static let checksumCharacters = 6
  /// How long the whole text is.
  public static let textCharacters = 4 + idCharacters + randomCharacters + checksumCharacters

  /// The 8 characters that name the key; no secret.
  public let id: String
  private let random: [UInt8]

  private init(idBytes: [UInt8], random: [UInt8]) {
    self.id = String(decoding: idBytes, as: UTF8.self)
    self.random = random
  }

  /// Makes a new key from random bytes.
  ///
  /// Throws ``CredentialError/randomUnavailable`` when the system gives none.
  public static func generate() throws(CredentialError) -> APIKey {
    let bytes = try Cryptography.randomBytes(idCharacters + randomCharacters)
    let characters = CredentialAlphabet.characters(from: bytes)
    return APIKey(
      idBytes: Array(characters.prefix(idCharacters)),
      random: Array(characters.dropFirst(idCharacters)))
  }

  /// Reads a key from text; never traps, whatever the bytes are.
  ///
  /// Throws the first of: prefix missing, length wrong, character invalid, checksum wrong. All of
  /// it is decided without looking at any stored key, so nothing can be learnt from the order.
  public init(parsing text: some Collection<UInt8>) throws(CredentialError) {
    guard text.starts(with: Self.prefix.utf8) else { throw .prefixMissing }
    guard text.count == Self.textCharacters else {
      throw .lengthWrong(expected: Self.textCharacters, got: text.count)
    }
    let bytes = Array(text)
    let prefixCount = Self.prefix.utf8.count
    for (offset, byte) in bytes.enumerated().dropFirst(prefixCount)
    where !CredentialAlphabet.contains(byte) {
      throw .characterInvalid(offset: offset)
    }
    let covered = bytes.dropLast(Self.checksumCharacters)
    guard
      Cryptography.isEqualInConstantTime(
        Array(bytes.suffix(Self.checksumCharacters)), Self.checksum(of: Array(covered)))
    else { throw .checksumWrong }
    let body = covered.dropFirst(prefixCount)
    self.init(
      idBytes: Array(body.prefix(Self.idCharacters)),
      random: Array(body.dropFirst(Self.idCharacters)))
  }

  /// The whole key, a secret: show it once, never log it.
  public var secretText: String {
    let covered = Array(Self.prefix.utf8) + Array(id.utf8) + random
    return String(decoding: covered + Self.checksum(of: covered), as: UTF8.self)
  }

  /// What is stored in place of the key: SHA-256 of the random part, 32 bytes.
  ///
  /// 160 random bits need no slow hash: nobody searches that space.
  public var digest: [UInt8] { Cryptography.sha256(random) }

  /// Whether the stored digest is this key's, in constant time.
  public func matches(digest stored: [UInt8]) -> Bool {
    Cryptography.isEqualInConstantTime(digest, stored)
  }

  private static func checksum(of covered: [UInt8]) -> [UInt8] {
    CredentialAlphabet.characters(
      from: Cryptography.sha256(covered).prefix(checksumCharacters))
  }
}

extension APIKey: CustomStringConvertible {
  /// The name without the secret, safe to log.
  public var description: String { "\(Self.prefix)\(id)…" }
}

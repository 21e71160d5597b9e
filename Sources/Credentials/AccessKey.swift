/// A credential that is shown in HELLO: an integration's API key, or an operator's token.
///
/// The text is a prefix of 4 characters that says which, 8 characters that name the key, 32 random
/// characters (160 bits) and 6 characters of checksum, 50 in all. The name may be shown and logged;
/// the random part is the secret. The checksum (30 bits of SHA-256 over all before it) lets a
/// typing error be told from a wrong key, and lets a scanner of source code be sure of what it
/// found.
public struct AccessKey: Sendable {
  /// Whose credential it is.
  public enum Kind: String, Sendable, CaseIterable {
    /// An integration's API key, for its agents.
    case integration = "imk_"
    /// An operator's token.
    case `operator` = "imo_"

    /// What every key of this kind begins with.
    public var prefix: String { rawValue }
  }

  /// How many characters every prefix has.
  public static let prefixCharacters = 4
  /// How many characters name a key.
  public static let idCharacters = 8
  /// How many random characters make the secret.
  public static let randomCharacters = 32
  /// How many characters of checksum end a key.
  public static let checksumCharacters = 6
  /// How long the whole text is.
  public static let textCharacters =
    prefixCharacters + idCharacters + randomCharacters + checksumCharacters

  /// Whose credential it is.
  public let kind: Kind
  /// The 8 characters that name the key; no secret.
  public let id: String
  private let random: [UInt8]

  private init(_ kind: Kind, idBytes: [UInt8], random: [UInt8]) {
    self.kind = kind
    self.id = String(decoding: idBytes, as: UTF8.self)
    self.random = random
  }

  /// Makes a new key from random bytes.
  ///
  /// Throws ``CredentialError/randomUnavailable`` when the system gives none.
  public static func generate(_ kind: Kind) throws(CredentialError) -> AccessKey {
    let bytes = try Cryptography.randomBytes(idCharacters + randomCharacters)
    let characters = CredentialAlphabet.characters(from: bytes)
    return AccessKey(
      kind, idBytes: Array(characters.prefix(idCharacters)),
      random: Array(characters.dropFirst(idCharacters)))
  }

  /// Reads a key from text; never traps, whatever the bytes are.
  ///
  /// Throws the first of: prefix missing, length wrong, character invalid, checksum wrong. All of
  /// it is decided without looking at any stored key, so nothing can be learnt from the order.
  public init(parsing text: some Collection<UInt8>) throws(CredentialError) {
    guard let kind = Kind.allCases.first(where: { text.starts(with: $0.prefix.utf8) }) else {
      throw .prefixMissing
    }
    guard text.count == Self.textCharacters else {
      throw .lengthWrong(expected: Self.textCharacters, got: text.count)
    }
    let bytes = Array(text)
    for (offset, byte) in bytes.enumerated().dropFirst(Self.prefixCharacters)
    where !CredentialAlphabet.contains(byte) {
      throw .characterInvalid(offset: offset)
    }
    let covered = bytes.dropLast(Self.checksumCharacters)
    guard
      Cryptography.isEqualInConstantTime(
        Array(bytes.suffix(Self.checksumCharacters)), Self.checksum(of: Array(covered)))
    else { throw .checksumWrong }
    let body = covered.dropFirst(Self.prefixCharacters)
    self.init(
      kind, idBytes: Array(body.prefix(Self.idCharacters)),
      random: Array(body.dropFirst(Self.idCharacters)))
  }

  /// The whole key, a secret: show it once, never log it.
  public var secretText: String {
    let covered = Array(kind.prefix.utf8) + Array(id.utf8) + random
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

extension AccessKey: CustomStringConvertible {
  /// The name without the secret, safe to log.
  public var description: String { "\(kind.prefix)\(id)…" }
}

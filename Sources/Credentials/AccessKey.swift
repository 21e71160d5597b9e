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
  /// What is stored in place of the key: SHA-256 of the random part, 32 bytes.
  ///
  /// 160 random bits need no slow hash: nobody searches that space.
  public let digest: [UInt8]
  /// The whole text of a key that was made here; nil for one that was read, of which the digest is
  /// all that is ever needed.
  private let secret: SecretBytes?

  private static let coveredCharacters = textCharacters - checksumCharacters
  private static let idRange = prefixCharacters..<(prefixCharacters + idCharacters)
  private static let randomRange = (prefixCharacters + idCharacters)..<coveredCharacters

  /// Takes a text that has the form of a key; `secret` is that text, to be kept.
  private init(_ kind: Kind, _ text: UnsafeRawBufferPointer, keeping secret: SecretBytes?) {
    self.kind = kind
    unsafe id = String(decoding: text[Self.idRange], as: UTF8.self)
    unsafe digest = Cryptography.sha256(UnsafeRawBufferPointer(rebasing: text[Self.randomRange]))
    self.secret = secret
  }

  /// Makes a new key from random bytes.
  ///
  /// Throws ``CredentialError/randomUnavailable`` when the system gives none.
  public static func generate(_ kind: Kind) throws(CredentialError) -> AccessKey {
    let secret = try unsafe SecretBytes(count: textCharacters) {
      (text) throws(CredentialError) in
      unsafe text.copyBytes(from: kind.prefix.utf8)
      let body = unsafe UnsafeMutableRawBufferPointer(
        rebasing: text[prefixCharacters..<coveredCharacters])
      try unsafe Cryptography.fillWithRandomBytes(body)
      for offset in body.indices {
        unsafe body[offset] = CredentialAlphabet.character(from: body[offset])
      }
      let covered = unsafe UnsafeRawBufferPointer(rebasing: text[..<coveredCharacters])
      unsafe UnsafeMutableRawBufferPointer(rebasing: text[coveredCharacters...]).copyBytes(
        from: checksum(of: covered))
    }
    return unsafe secret.withBytes { unsafe AccessKey(kind, $0, keeping: secret) }
  }

  /// Reads a key from text; never traps, whatever the bytes are.
  ///
  /// The text is not kept.
  /// Throws the first of: prefix missing, length wrong, character invalid, checksum wrong. All of
  /// it is decided without looking at any stored key, so nothing can be learnt from the order.
  public init(parsing text: some Collection<UInt8>) throws(CredentialError) {
    let inPlace = text.withContiguousStorageIfAvailable { bytes in
      unsafe Self.read(UnsafeRawBufferPointer(bytes))
    }
    if let inPlace {
      self = try inPlace.get()
    } else {
      var copy = Array(text)
      defer { Cryptography.wipe(&copy) }
      self = try unsafe copy.withUnsafeBytes { unsafe Self.read($0) }.get()
    }
  }

  private static func read(_ text: UnsafeRawBufferPointer) -> Result<AccessKey, CredentialError> {
    guard let kind = Kind.allCases.first(where: { unsafe text.starts(with: $0.prefix.utf8) })
    else { return .failure(.prefixMissing) }
    guard text.count == textCharacters else {
      return .failure(.lengthWrong(expected: textCharacters, got: text.count))
    }
    for offset in prefixCharacters..<textCharacters {
      guard unsafe CredentialAlphabet.contains(text[offset]) else {
        return .failure(.characterInvalid(offset: offset))
      }
    }
    let covered = unsafe UnsafeRawBufferPointer(rebasing: text[..<coveredCharacters])
    guard
      unsafe Cryptography.isEqualInConstantTime(
        Array(text[coveredCharacters...]), checksum(of: covered))
    else { return .failure(.checksumWrong) }
    return .success(unsafe AccessKey(kind, text, keeping: nil))
  }

  /// Lends the whole text of a key that was made here: a secret, to be shown once and never logged.
  public func withSecretText<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard let secret else { preconditionFailure("a key that was read keeps no secret") }
    return try unsafe secret.withBytes(body)
  }

  /// The whole text of a key that was made here, a secret: whoever takes it wipes it.
  public var secretText: String {
    unsafe withSecretText { unsafe String(decoding: $0, as: UTF8.self) }
  }

  /// Whether the stored digest is this key's, in constant time.
  public func matches(digest stored: [UInt8]) -> Bool {
    Cryptography.isEqualInConstantTime(digest, stored)
  }

  /// What a key is compared with that no stored one has the name of, so that it takes as long.
  public static let noDigest = [UInt8](repeating: 0, count: Cryptography.digestBytes)

  private static func checksum(of covered: UnsafeRawBufferPointer) -> [UInt8] {
    unsafe Cryptography.sha256(covered).prefix(checksumCharacters).map {
      CredentialAlphabet.character(from: $0)
    }
  }
}

extension AccessKey: CustomStringConvertible {
  /// The name without the secret, safe to log.
  public var description: String { "\(kind.prefix)\(id)…" }
}

import COpenSSL

/// The data directory's own key, with which secrets are sealed that must be shown again later.
///
/// AES-256-GCM with a random nonce of 96 bits for each seal. What is sealed is one version byte
/// (1), 12 bytes of nonce, the ciphertext and 16 bytes of tag; the context (the key's name) is
/// authenticated with it, so that a sealed secret cannot be moved to another record.
/// A value type; may be used from any thread.
public struct SealingKey: Sendable {
  /// The size of the key.
  public static let keyBytes = 32
  static let version: UInt8 = 1
  static let nonceBytes = 12
  static let tagBytes = 16

  private let key: [UInt8]

  /// Takes 32 bytes as the key; throws ``CredentialError/sealBroken`` for another count.
  public init(bytes: [UInt8]) throws(CredentialError) {
    guard bytes.count == Self.keyBytes else { throw .sealBroken }
    self.key = bytes
  }

  /// Makes a new random key.
  public static func generate() throws(CredentialError) -> SealingKey {
    try SealingKey(bytes: Cryptography.randomBytes(keyBytes))
  }

  /// The key itself, to be written to its file; a secret.
  var bytes: [UInt8] { key }

  /// Encrypts and authenticates a secret, bound to a context.
  public func seal(_ secret: [UInt8], context: String) throws(CredentialError) -> [UInt8] {
    let nonce = try Cryptography.randomBytes(Self.nonceBytes)
    var cipher = try GCMCipher()
    try cipher.begin(.encrypt, key: key, nonce: nonce)
    try cipher.authenticate([Self.version] + Array(context.utf8))
    let ciphertext = try cipher.update(secret)
    let tag = try cipher.finishEncryption(tagBytes: Self.tagBytes)
    return [Self.version] + nonce + ciphertext + tag
  }

  /// Decrypts what ``seal(_:context:)`` made with the same key and context.
  ///
  /// Throws ``CredentialError/sealBroken`` for anything else, whatever the bytes are.
  public func open(_ sealed: [UInt8], context: String) throws(CredentialError) -> [UInt8] {
    let overhead = 1 + Self.nonceBytes + Self.tagBytes
    guard sealed.count >= overhead, sealed[0] == Self.version else { throw .sealBroken }
    let nonce = Array(sealed[1..<(1 + Self.nonceBytes)])
    let ciphertext = Array(sealed[(1 + Self.nonceBytes)..<(sealed.count - Self.tagBytes)])
    var cipher = try GCMCipher()
    try cipher.begin(.decrypt, key: key, nonce: nonce)
    try cipher.authenticate([Self.version] + Array(context.utf8))
    let secret = try cipher.update(ciphertext)
    try cipher.finishDecryption(tag: Array(sealed.suffix(Self.tagBytes)))
    return secret
  }
}

/// One run of AES-256-GCM over a cipher context of OpenSSL, which it owns.
///
/// Safe to use: the pointer never leaves it and lives as long as it does.
@safe
private struct GCMCipher: ~Copyable {
  enum Direction: Int32 {
    case decrypt = 0
    case encrypt = 1
  }

  private let context: OpaquePointer

  /// `EVP_CIPHER_CTX_new` answers null without memory.
  init() throws(CredentialError) {
    guard let context = unsafe EVP_CIPHER_CTX_new() else {
      throw .cryptographyFailed(operation: "a cipher context")
    }
    unsafe self.context = context
  }

  deinit { unsafe EVP_CIPHER_CTX_free(context) }

  /// `EVP_CipherInit_ex` answers 1 or an error.
  mutating func begin(
    _ direction: Direction, key: [UInt8], nonce: [UInt8]
  ) throws(CredentialError) {
    precondition(key.count == SealingKey.keyBytes && nonce.count == SealingKey.nonceBytes)
    // 12 bytes is the mode's own length of a nonce, so none needs to be set.
    let result = unsafe key.withUnsafeBufferPointer { key in
      unsafe nonce.withUnsafeBufferPointer { nonce in
        unsafe EVP_CipherInit_ex(
          context, EVP_aes_256_gcm(), nil, key.baseAddress, nonce.baseAddress, direction.rawValue)
      }
    }
    guard result == 1 else { throw .cryptographyFailed(operation: "AES-256-GCM") }
  }

  mutating func authenticate(_ bytes: [UInt8]) throws(CredentialError) {
    var written: Int32 = 0
    let result = unsafe bytes.withUnsafeBufferPointer { input in
      unsafe EVP_CipherUpdate(context, nil, &written, input.baseAddress, Int32(input.count))
    }
    guard result == 1 else { throw .cryptographyFailed(operation: "authenticated data") }
  }

  mutating func update(_ bytes: [UInt8]) throws(CredentialError) -> [UInt8] {
    precondition(bytes.count <= 1 << 20, "secrets are small")
    guard !bytes.isEmpty else { return [] }
    var output = [UInt8](repeating: 0, count: bytes.count)
    var written: Int32 = 0
    let result = unsafe bytes.withUnsafeBufferPointer { input in
      unsafe output.withUnsafeMutableBufferPointer { output in
        unsafe EVP_CipherUpdate(
          context, output.baseAddress, &written, input.baseAddress, Int32(input.count))
      }
    }
    guard result == 1, Int(written) == bytes.count else {
      throw .cryptographyFailed(operation: "the cipher")
    }
    return output
  }

  mutating func finishEncryption(tagBytes: Int) throws(CredentialError) -> [UInt8] {
    try finish(failure: .cryptographyFailed(operation: "the end of the cipher"))
    var tag = [UInt8](repeating: 0, count: tagBytes)
    let result = unsafe tag.withUnsafeMutableBytes { tag in
      unsafe EVP_CIPHER_CTX_ctrl(
        context, EVP_CTRL_AEAD_GET_TAG, Int32(tag.count), tag.baseAddress)
    }
    guard result == 1 else { throw .cryptographyFailed(operation: "the tag") }
    return tag
  }

  mutating func finishDecryption(tag: [UInt8]) throws(CredentialError) {
    var tag = tag
    let result = unsafe tag.withUnsafeMutableBytes { tag in
      unsafe EVP_CIPHER_CTX_ctrl(
        context, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), tag.baseAddress)
    }
    guard result == 1 else { throw .sealBroken }
    try finish(failure: .sealBroken)
  }

  private mutating func finish(failure: CredentialError) throws(CredentialError) {
    // GCM writes nothing at the end; one block of room keeps the call within its contract.
    var rest = [UInt8](repeating: 0, count: 16)
    var written: Int32 = 0
    let result = unsafe rest.withUnsafeMutableBufferPointer { rest in
      unsafe EVP_CipherFinal_ex(context, rest.baseAddress, &written)
    }
    guard result == 1 else { throw failure }
  }
}

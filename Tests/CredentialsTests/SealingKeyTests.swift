import Credentials
import Glibc
import Testing

@Suite("Sealed secrets")
struct SealingKeyTests {
  let secret = Array("imk_something secret".utf8)

  @Test("What is sealed opens with the same key and context")
  func roundTrip() throws {
    let key = try SealingKey.generate()
    let sealed = try key.seal(secret, context: "abcdefgh")
    #expect(try key.open(sealed, context: "abcdefgh") == secret)
    #expect(try key.open(key.seal([], context: ""), context: "").isEmpty)
  }

  @Test("The same secret never seals to the same bytes")
  func freshNonce() throws {
    let key = try SealingKey.generate()
    #expect(try key.seal(secret, context: "a") != key.seal(secret, context: "a"))
  }

  @Test("Another key or context does not open it")
  func wrongKeyOrContext() throws {
    let key = try SealingKey.generate()
    let sealed = try key.seal(secret, context: "a")
    #expect(throws: CredentialError.sealBroken) { try key.open(sealed, context: "b") }
    let other = try SealingKey.generate()
    #expect(throws: CredentialError.sealBroken) { try other.open(sealed, context: "a") }
  }

  @Test("A changed byte anywhere breaks the seal", arguments: 0..<49)
  func damaged(offset: Int) throws {
    let key = try SealingKey.generate()
    var sealed = try key.seal(secret, context: "a")
    #expect(sealed.count == 49)
    sealed[offset] ^= 1
    #expect(throws: CredentialError.sealBroken) { try key.open(sealed, context: "a") }
  }

  @Test("Sealed bytes cut anywhere do not open", arguments: 0..<49)
  func truncated(count: Int) throws {
    let key = try SealingKey.generate()
    let sealed = Array(try key.seal(secret, context: "a").prefix(count))
    #expect(throws: CredentialError.sealBroken) { try key.open(sealed, context: "a") }
  }
}

@Suite("The sealing key's file")
struct SealingKeyFileTests {
  @Test("A directory keeps its key, readable by its owner alone")
  func kept() throws {
    let directory = try ScratchDirectory()
    let key = try SealingKeyFile.loadOrCreate(directory: directory.path)
    let sealed = try key.seal([1, 2, 3], context: "a")
    let again = try SealingKeyFile.loadOrCreate(directory: directory.path)
    #expect(try again.open(sealed, context: "a") == [1, 2, 3])
    var status = stat()
    #expect(stat("\(directory.path)/\(SealingKeyFile.name)", &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
  }

  @Test("A file of another size is refused and left alone")
  func wrongSize() throws {
    let directory = try ScratchDirectory()
    let path = "\(directory.path)/\(SealingKeyFile.name)"
    try directory.write([1, 2, 3], to: path)
    #expect(
      throws: CredentialError.keyFileUnusable(path: path, problem: "it has 3 bytes instead of 32")
    ) { try SealingKeyFile.loadOrCreate(directory: directory.path) }
  }

  @Test("A directory that is not there is an error with the path")
  func missingDirectory() throws {
    #expect(throws: CredentialError.self) {
      try SealingKeyFile.loadOrCreate(directory: "/nonexistent/integrationd")
    }
  }
}

/// A directory of its own for one test, removed with it.
private final class ScratchDirectory {
  let path: String
  struct Unusable: Error {}

  init() throws {
    var template = Array("/tmp/credentials-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw Unusable() }
    path = String(cString: made)
  }

  func write(_ bytes: [UInt8], to path: String) throws {
    guard let file = fopen(path, "w") else { throw Unusable() }
    defer { fclose(file) }
    guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw Unusable() }
  }

  deinit {
    unlink("\(path)/\(SealingKeyFile.name)")
    rmdir(path)
  }
}

import TestSupport
import Testing

/// How secrets are compared: in a time that tells nothing of them.
@Suite struct SecretTests {
  /// Where the digest of a secret has that name; elsewhere it is one of logs.
  static let owners: Set = ["Credentials", "IntegrationService"]

  @Test("A hash of a secret is compared by the function that takes constant time")
  func comparisons() {
    for file in SourceFile.swift where !file.isGenerated {
      let isOwner = Self.owners.contains(file.target)
      let names = ["ecretHash", "secret_hash"] + (isOwner ? ["digest"] : [])
      for line in file.lines(with: names) {
        #expect(
          !Self.compares(line.text, names),
          "\(file.path):\(line.number): use AccessKey.matches(digest:)")
      }
    }
  }

  /// Whether a line of Swift or SQL has one of the names on a side of a comparison.
  private static func compares(_ line: String, _ names: [String]) -> Bool {
    names.contains { name in
      [" ==", " !=", " = ?", " IN ("].contains { line.contains(name + $0) }
        || Self.pairs(line).contains { sign, word in
          (sign == "==" || sign == "!=") && word.contains(name) && !word.contains("count")
        }
    }
  }

  private static func pairs(_ line: String) -> [(Substring, Substring)] {
    let words = line.split(separator: " ")
    return Array(zip(words, words.dropFirst()))
  }

  @Test("The rule finds what it is for")
  func rule() {
    let names = ["ecretHash", "digest"]
    #expect(Self.compares("guard stored.secretHash == digest else {", names))
    #expect(Self.compares("  return key.bytes == stored.secretHash", names))
    #expect(Self.compares("    key.digest != other", names))
    #expect(!Self.compares("secretHash = row.blob(2)", names))
  }

  @Test("That function is OpenSSL's, and the only way to match a key")
  func constantTime() throws {
    let cryptography = try SourceTree.text("Sources/Credentials/Cryptography.swift")
    let body = cryptography.components(after: "func isEqualInConstantTime")
    #expect(body.contains("CRYPTO_memcmp(first.baseAddress, second.baseAddress, first.count)"))
    let key = try SourceTree.text("Sources/Credentials/AccessKey.swift")
    let matches = key.components(after: "public func matches(digest").prefix(200)
    #expect(matches.contains("Cryptography.isEqualInConstantTime(digest, stored)"))
    // With a name that no key has, the same is computed and compared.
    let authentication = try SourceTree.text(
      "Sources/IntegrationService/Catalogue/Authentication.swift")
    let spelling = "key.matches(digest: named?.secretHash ?? AccessKey.noDigest)"
    #expect(authentication.ranges(of: spelling).count == 2)
  }
}

/// Why a credential could not be made, read, sealed or opened.
///
/// No case carries secret text, so that every description is safe to log.
public enum CredentialError: Error, Equatable, Sendable {
  /// The text does not begin with the prefix of a credential.
  case prefixMissing
  /// The text has another length than a credential has.
  case lengthWrong(expected: Int, got: Int)
  /// A character outside the alphabet, at a byte offset from 0.
  case characterInvalid(offset: Int)
  /// The checksum at the end does not fit what stands before it: a typing error.
  case checksumWrong
  /// The system gave no random bytes.
  case randomUnavailable
  /// What was sealed is damaged, was sealed with another key, or belongs to another record.
  case sealBroken
  /// OpenSSL refused an operation that has no reason to fail.
  case cryptographyFailed(operation: String)
  /// The file with the sealing key cannot be read or written.
  case keyFileUnusable(path: String, problem: String)
}

extension CredentialError: CustomStringConvertible {
  /// One sentence for people, without secrets.
  public var description: String {
    switch self {
    case .prefixMissing:
      "an integration's API key begins with \"\(AccessKey.Kind.integration.prefix)\", an "
        + "operator's token with \"\(AccessKey.Kind.operator.prefix)\"; this text does neither"
    case .lengthWrong(let expected, let got):
      "a key or token has \(expected) characters; this one has \(got): copy all of it"
    case .characterInvalid(let offset):
      "a key or token is of digits and lower-case letters; character \(offset + 1) is neither"
    case .checksumWrong:
      "the checksum is wrong: a character was mistyped or lost; copy the key or token again"
    case .randomUnavailable:
      "the system gave no random bytes; try again"
    case .sealBroken:
      "the sealed secret cannot be opened: it is damaged or was sealed with another key file"
    case .cryptographyFailed(let operation):
      "OpenSSL refused \(operation)"
    case .keyFileUnusable(let path, let problem):
      "the sealing key \(path) cannot be used: \(problem)"
    }
  }
}

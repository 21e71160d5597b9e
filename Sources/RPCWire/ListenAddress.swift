/// Where a server listens and a client connects: `unix:PATH` or `tcp:HOST:PORT`.
public enum ListenAddress: Hashable, Sendable, CustomStringConvertible {
  /// A Unix socket at a path of the file system.
  case unix(path: String)
  /// A TCP port at a host name or an address; port 0 lets the kernel choose one.
  case tcp(host: String, port: UInt16)

  /// Most bytes that the path of a Unix socket may have: `sun_path` less its NUL (unix(7)).
  public static let maximumPathBytes = 107

  /// Reads `unix:PATH`, `tcp:HOST:PORT` or `tcp:[IPV6]:PORT`; the error says what was expected.
  public init(_ text: String) throws(AddressError) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst("unix:".count))
      guard !path.isEmpty, !path.utf8.contains(0) else { throw AddressError(text, "a path") }
      guard path.utf8.count <= Self.maximumPathBytes else {
        throw AddressError(
          text, "a path of at most \(Self.maximumPathBytes) bytes, not \(path.utf8.count)")
      }
      self = .unix(path: path)
    } else if text.hasPrefix("tcp:") {
      self = try Self.parseTCP(text.dropFirst("tcp:".count), whole: text)
    } else {
      throw AddressError(text, "unix:PATH or tcp:HOST:PORT")
    }
  }

  private static func parseTCP(
    _ rest: Substring, whole: String
  ) throws(AddressError) -> ListenAddress {
    guard let colon = rest.lastIndex(of: ":") else { throw AddressError(whole, "tcp:HOST:PORT") }
    var host = rest[..<colon]
    let digits = rest[rest.index(after: colon)...]
    guard digits.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let port = UInt16(digits) else {
      throw AddressError(whole, "a port from 0 to 65535 after the last colon")
    }
    if host.hasPrefix("[") && host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      throw AddressError(whole, "an IPv6 address in brackets, as in tcp:[::1]:7300")
    }
    guard !host.isEmpty, !host.utf8.contains(0) else {
      throw AddressError(whole, "a host, as in tcp:127.0.0.1:7300")
    }
    return .tcp(host: String(host), port: port)
  }

  /// The text form that `init` reads.
  public var description: String {
    switch self {
    case .unix(let path): "unix:\(path)"
    case .tcp(let host, let port):
      host.contains(":") ? "tcp:[\(host)]:\(port)" : "tcp:\(host):\(port)"
    }
  }
}

/// A text that is no address.
public struct AddressError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was given.
  public let text: String
  /// What was expected in its place.
  public let expected: String

  init(_ text: String, _ expected: String) {
    self.text = text
    self.expected = expected
  }

  /// One sentence for the person who typed it.
  public var description: String { "address '\(text)' is not valid: expected \(expected)" }
}

import Glibc

/// A system call that failed.
public struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The call's name.
  public let call: String
  /// Its errno.
  public let number: Int32

  /// Makes an error from a call's name and errno.
  public init(call: String, number: Int32) {
    self.call = call
    self.number = number
  }

  /// The call's name and the system's text for the number.
  public var description: String { "\(call): \(text)" }

  /// The system's text for the number.
  public var text: String {
    guard let text = unsafe strerror(number) else { return "error \(number)" }
    return unsafe String(cString: text)
  }

  static func check(_ result: Int32, _ call: String) throws(SystemError) -> Int32 {
    if result < 0 { throw SystemError(call: call, number: errno) }
    return result
  }
}

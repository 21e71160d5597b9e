import Foundation

/// The bytes of a file; nil: it cannot be read.
///
/// Foundation leaks 4 KiB with each empty file that it reads, as the output of a program that says
/// nothing is, so that the leak sanitizer would see nothing else.
public func bytes(ofFile path: String) -> [UInt8]? {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return nil }
  defer { close(file) }
  var (bytes, part) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
  while true {
    let count = read(file, &part, part.count)
    if count < 0, errno == EINTR { continue }
    guard count > 0 else { return count == 0 ? bytes : nil }
    bytes += part[..<count]
  }
}

import Glibc

/// Small files, written whole.
enum FileText {
  /// Writes all of the text to an open file; false with `errno` when that fails.
  static func write(_ text: String, to descriptor: Int32) -> Bool {
    let bytes = Array(text.utf8)
    var sent = 0
    while sent < bytes.count {
      let written = unsafe bytes.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress else { return 0 }
        return unsafe Glibc.write(descriptor, start + sent, bytes.count - sent)
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return false }
      sent += written
    }
    return true
  }

  /// Reads an open file up to a limit; nil with `errno` when that fails.
  static func read(_ descriptor: Int32, maximumBytes: Int) -> [UInt8]? {
    var bytes: [UInt8] = []
    while bytes.count < maximumBytes {
      let room = min(65_536, maximumBytes - bytes.count)
      var failed = false
      let part = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
        let got = unsafe Glibc.read(descriptor, buffer.baseAddress, room)
        failed = got < 0
        count = max(0, got)
      }
      if failed {
        if errno == EINTR { continue }
        return nil
      }
      if part.isEmpty { break }
      bytes += part
    }
    return bytes
  }
}

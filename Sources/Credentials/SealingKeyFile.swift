import Glibc

/// The file in the data directory that holds the sealing key: 32 bytes, readable by its owner.
///
/// It is made once and never changed; a backup of the database without it keeps every key working
/// and merely cannot show one again.
public enum SealingKeyFile {
  /// The file's name in the data directory.
  public static let name = "sealing.key"

  /// Reads the key of a data directory, or makes one when there is none yet.
  ///
  /// The caller holds the directory's lock, so no other program makes one at the same time. The key
  /// is on disk before this returns: a temporary file, synced, renamed, the directory synced; the
  /// last also where it is found, for a run that was killed may have come no further.
  /// Throws ``CredentialError/keyFileUnusable(path:problem:)`` with what the system said.
  public static func loadOrCreate(directory: String) throws(CredentialError) -> SealingKey {
    let path = "\(directory)/\(name)"
    if let bytes = try read(path) {
      guard bytes.count == SealingKey.keyBytes else {
        throw .keyFileUnusable(
          path: path, problem: "it has \(bytes.count) bytes instead of \(SealingKey.keyBytes)")
      }
      try syncDirectory(directory)
      return try SealingKey(bytes: bytes)
    }
    let key = try SealingKey.generate()
    try write(key.bytes, to: path, directory: directory)
    return key
  }

  /// The file's bytes (up to one more than a key has); nil: there is no file.
  private static func read(_ path: String) throws(CredentialError) -> [UInt8]? {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw failure(path, "reading it")
    }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: SealingKey.keyBytes + 1)
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe Glibc.read(descriptor, bytes.baseAddress, bytes.count)
    }
    guard count >= 0 else { throw failure(path, "reading it") }
    return Array(buffer.prefix(count))
  }

  private static func write(
    _ bytes: [UInt8], to path: String, directory: String
  ) throws(CredentialError) {
    let temporary = "\(path).new"
    let descriptor = unsafe Glibc.open(
      temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode_t(0o600))
    guard descriptor >= 0 else { throw failure(path, "creating it") }
    let written = unsafe bytes.withUnsafeBytes { bytes in
      unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count)
    }
    let synced = written == bytes.count && fsync(descriptor) == 0
    let problem = synced ? nil : failure(path, "writing it")
    close(descriptor)
    if let problem { throw problem }
    guard unsafe rename(temporary, path) == 0 else { throw failure(path, "renaming it") }
    try syncDirectory(directory)
  }

  private static func syncDirectory(_ directory: String) throws(CredentialError) {
    let descriptor = unsafe Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(directory, "opening the directory") }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure(directory, "syncing the directory") }
  }

  private static func failure(_ path: String, _ doing: String) -> CredentialError {
    let code = errno
    let text = unsafe String(cString: strerror(code))
    return .keyFileUnusable(path: path, problem: "\(doing) failed: \(text)")
  }
}

import CommandLineOptions
import Glibc

/// The file of a user's contexts: `$XDG_CONFIG_HOME/integrationctl/contexts`, else
/// `~/.config/integrationctl/contexts`.
struct ContextFile: Sendable {
  /// More than thousands of contexts need.
  private static let maximumBytes = 1 << 20

  /// Nil where there is neither XDG_CONFIG_HOME nor HOME.
  let directory: String?
  var path: String { "\(directory ?? "")/contexts" }

  init(environment: Environment) {
    // By the XDG base directory specification a relative path is ignored.
    let named = environment["XDG_CONFIG_HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
    let base = named ?? environment["HOME"].map { "\($0)/.config" }
    directory = base.map { "\($0)/integrationctl" }
  }

  // MARK: Reading

  /// All contexts; none where there is no file.
  func read() throws(Failure) -> Contexts {
    guard directory != nil else { return Contexts() }
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return Contexts() }
      throw fault("cannot be read: \(Failure.systemMessage(errno))")
    }
    defer { close(descriptor) }
    try checkMode(of: descriptor)
    guard let bytes = FileText.read(descriptor, maximumBytes: Self.maximumBytes + 1) else {
      throw fault("cannot be read: \(Failure.systemMessage(errno))")
    }
    guard bytes.count <= Self.maximumBytes, let text = String(validating: bytes, as: UTF8.self)
    else {
      throw fault("is not text of at most 1 MiB", next: repair)
    }
    do throws(ContextsFault) {
      return try Contexts(text: text)
    } catch {
      throw fault("line \(error.line): \(error.message)", next: repair)
    }
  }

  /// Refuses a file that others can read: its tokens are no longer secret.
  private func checkMode(of descriptor: Int32) throws(Failure) {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw fault("cannot be read: \(Failure.systemMessage(errno))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw fault("is no regular file") }
    guard status.st_mode & 0o077 != 0 else { return }
    throw fault(
      "can be read or changed by others (mode 0\(String(status.st_mode & 0o777, radix: 8)))",
      next: "Close it with: chmod 600 \(path); if somebody may have read its tokens, revoke them.")
  }

  private var repair: String {
    "Put the line right, or remove the file and add the contexts again: integrationctl context add"
  }

  private func fault(_ message: String, next: String = "") -> Failure {
    Failure(.refused, "the contexts file \(path) \(message)", next: next)
  }

  // MARK: Writing

  /// Changes the contexts: what another process changes at the same time is not lost, and a reader
  /// sees the old file or the new one, whole.
  func change<Value>(
    _ body: (inout Contexts) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let folder = try openDirectory()
    // The lock ends with the descriptor.
    defer { close(folder) }
    while flock(folder, LOCK_EX) != 0, errno == EINTR {}
    var contexts = try read()
    let value = try body(&contexts)
    try write(contexts, folder)
    return value
  }

  private func openDirectory() throws(Failure) -> Int32 {
    guard let directory else {
      throw Failure(
        .refused, "there is no place for contexts: neither XDG_CONFIG_HOME nor HOME is set",
        next: "Set one of them, or use --server and --token.")
    }
    // Each part of the path that is missing; what is there already is left as it is.
    let parts = directory.split(separator: "/")
    for count in 1...parts.count {
      _ = unsafe mkdir("/" + parts.prefix(count).joined(separator: "/"), 0o700)
    }
    let folder = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else {
      throw Failure(
        .refused, "the directory \(directory) cannot be used: \(Failure.systemMessage(errno))")
    }
    return folder
  }

  private func write(_ contexts: Contexts, _ folder: Int32) throws(Failure) {
    var template = Array("\(path).XXXXXX".utf8CString)
    // mkstemp(3) makes it with mode 0600.
    let descriptor = unsafe mkstemp(&template)
    guard descriptor >= 0 else {
      throw fault("cannot be written: \(Failure.systemMessage(errno))")
    }
    let temporary = String(
      decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let isWritten = FileText.write(contexts.text, to: descriptor) && fsync(descriptor) == 0
    let written = isWritten ? 0 : errno
    close(descriptor)
    guard isWritten, unsafe rename(temporary, path) == 0, fsync(folder) == 0 else {
      let code = isWritten ? errno : written
      _ = unsafe unlink(temporary)
      throw fault("cannot be written: \(Failure.systemMessage(code))")
    }
  }
}

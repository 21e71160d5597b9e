import CommandLineOptions
import Glibc

/// A new file that only its owner reads, for a secret.
enum KeyFile {
  static let flag = Flag.optional(
    "key-file", .path.named("FILE"),
    help: "write the secret to this new file, mode 0600, and not here"
  )

  /// Runs a call that makes a secret and keeps it in the file that the command line names, if any.
  ///
  /// The file is made before the call, so that a key is never made and then lost; it is removed
  /// again when the call fails.
  static func withFile<Reply>(
    _ invocation: Invocation, call: () async throws(Failure) -> Reply,
    secret: (Reply) -> String
  ) async throws(Failure) -> Reply {
    guard let path = invocation.arguments[flag] else { return try await call() }
    let descriptor = try create(path)
    defer { close(descriptor) }
    do throws(Failure) {
      let reply = try await call()
      guard write(secret(reply) + "\n", to: descriptor), fsync(descriptor) == 0 else {
        throw Failure(
          .refused, "the secret cannot be written to \(path): \(Failure.systemMessage(errno))",
          next: "Revoke it (integrationctl keys list shows its id) and make another.")
      }
      return reply
    } catch {
      unsafe unlink(path)
      throw error
    }
  }

  private static func create(_ path: String) throws(Failure) -> Int32 {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor < 0 else { return descriptor }
    let code = errno
    throw Failure(
      .refused, "the key file \(path) cannot be made: \(Failure.systemMessage(code))",
      next: code == EEXIST ? "Choose another name, or remove it if it is not needed." : "")
  }

  private static func write(_ text: String, to descriptor: Int32) -> Bool {
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
}

import CommandLineOptions
import Dispatch
import ProtobufRuntime
import RPCTransport
import RPCWire

/// Writes the server's few lines to standard error: when, how bad, what, as `key=value`.
///
/// Lines go out on a queue of their own, so that a slow reader of standard error holds up nobody.
/// Safe to use from any thread.
struct ServerLog: Sendable {
  private let queue = DispatchQueue(label: "integrationd.log")

  /// Writes one line.
  func line(_ text: String) {
    let line = "\(Self.time) \(text)\n"
    queue.async { StandardStream.error.write(line) }
  }

  /// Says that calls can be taken, and where; scripts wait for this line.
  func ready(version: String, directory: String, addresses: [ListenAddress]) {
    let listening = addresses.map(\.description).joined(separator: ", ")
    queue.sync {
      _ = StandardStream.error.write(
        "integrationd \(version) ready, data \(directory), listening on \(listening)\n")
    }
  }

  /// Writes a line for people that ends the program, after all lines before it.
  func fatal(_ text: String) {
    queue.sync { _ = StandardStream.error.write("integrationd: \(text)\n") }
  }

  /// Waits until all lines before are written.
  func flush() {
    queue.sync {}
  }

  private static var time: String {
    Timestamp(microseconds: ServerTime.read().wallMicroseconds / 1_000 * 1_000).description
  }
}

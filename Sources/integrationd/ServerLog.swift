import CommandLineOptions
import Dispatch
import ProtobufRuntime
import RPCTransport
import RPCWire
import Synchronization

/// Writes the server's few lines to standard error: when, how bad, what, as `key=value`.
///
/// Lines go out on a queue of their own, and few wait there: so a reader of standard error that is
/// slow or stands still holds up nobody, neither at work nor at the end. Safe to use from any
/// thread.
final class ServerLog: Sendable {
  /// Default 1 MiB, some 5,000 lines.
  static let maximumBytes = 1_048_576
  /// How long a program that ends waits for the reader of its last lines.
  ///
  /// Half a second: a reader that is at work has long taken them, and a supervisor that restarts
  /// the server, and agents behind it, do not notice.
  private static let patience = DispatchTimeInterval.milliseconds(500)

  private let queue = DispatchQueue(label: "integrationd.log")
  private let waiting: Mutex<WaitingLines>

  /// A log of which so many bytes may wait.
  init(maximumBytes: Int = maximumBytes) {
    waiting = Mutex(WaitingLines(maximumBytes: maximumBytes))
  }

  /// Writes one line; never waits.
  func line(_ text: String) {
    let line = "\(Self.time) \(text)\n"
    begin(if: waiting.withLock { $0.add(line) })
  }

  /// Says that calls can be taken, and where; scripts wait for this line.
  func ready(version: String, directory: String, addresses: [ListenAddress]) {
    let listening = addresses.map(\.description).joined(separator: ", ")
    let line = "integrationd \(version) ready, data \(directory), listening on \(listening)\n"
    begin(if: waiting.withLock { $0.add(line) })
  }

  /// Writes a line for people that ends the program, after all lines before it, as far as
  /// ``flush()`` has them written.
  func fatal(_ text: String) {
    let line = "integrationd: \(text)\n"
    begin(if: waiting.withLock { $0.addLast(line, at: Self.time) })
    flush()
  }

  /// Waits until all lines before are written, for a moment only: a reader that stands still must
  /// not keep a program that is to end.
  func flush() {
    let written = DispatchSemaphore(value: 0)
    queue.async { written.signal() }
    _ = written.wait(timeout: .now() + Self.patience)
  }

  private func begin(if isFirst: Bool) {
    if isFirst { queue.async { self.write() } }
  }

  private func write() {
    while let text = waiting.withLock({ $0.take(at: Self.time) }) {
      StandardStream.error.write(text)
    }
  }

  private static var time: String {
    Timestamp(microseconds: ServerTime.read().wallMicroseconds / 1_000 * 1_000).description
  }
}

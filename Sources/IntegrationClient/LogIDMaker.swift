import Glibc
import Synchronization

/// Makes the ids of logs: UUIDv7 (RFC 9562), in lower-case text.
///
/// An agent makes a log's id before it sends the first report and keeps it for every repeat, so
/// that a report that arrives twice makes one log. Ids of one maker grow strictly: two of the same
/// millisecond differ by a counter in the 12 bits after the time (RFC 9562, section 6.2, method 1),
/// which lets the server store new logs beside each other. Safe to use from any thread.
public final class LogIDMaker: Sendable {
  /// The maker that everything in this process shares.
  public static let shared = LogIDMaker()

  private struct State {
    var milliseconds: UInt64 = 0
    var counter: UInt64 = 0
  }
  private let state = Mutex(State())
  /// By how much ids may be ahead of the clock so that they grow.
  private static let longestSetBackMs: UInt64 = 60_000

  /// Makes a maker of its own; ids of two makers are unique but not in order.
  public init() {}

  /// A new id at the present time.
  public func make() -> String {
    var generator = SystemRandomNumberGenerator()
    return make(milliseconds: WallClock.milliseconds(), using: &generator)
  }

  /// A new id.
  ///
  /// - Parameters:
  ///   - milliseconds: Since 1970. A clock that went back a little continues from the last id's
  ///     time; one that was set back by more than a minute is followed, or a server whose clock is
  ///     right would refuse every id until that time has come.
  ///   - generator: Gives the counter's start and the 62 random bits.
  public func make(
    milliseconds: UInt64, using generator: inout some RandomNumberGenerator
  ) -> String {
    let start = generator.next() & 0x3FF
    let random = generator.next()
    let (time, counter) = state.withLock { state in
      let isSetBack = state.milliseconds > milliseconds &+ Self.longestSetBackMs
      if milliseconds > state.milliseconds || isSetBack {
        state = State(milliseconds: milliseconds, counter: start)
      } else if state.counter < 0xFFF {
        state.counter += 1
      } else {
        state = State(milliseconds: state.milliseconds &+ 1, counter: start)
      }
      return (state.milliseconds, state.counter)
    }
    let high = (time << 16) | 0x7000 | counter
    let low = (random >> 2) | 0x8000_0000_0000_0000
    return Self.text(high: high, low: low)
  }

  private static func text(high: UInt64, low: UInt64) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(36)
    for index in 0..<32 {
      if [8, 12, 16, 20].contains(index) { text.append(UInt8(ascii: "-")) }
      let half = index < 16 ? high : low
      text.append(digits[Int((half >> UInt64(60 - (index & 15) * 4)) & 0xF)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}

/// The system's wall clock, for ids and times that leave the process.
public enum WallClock {
  /// Since 1970, in milliseconds; 0 if the system's clock stands before that.
  public static func milliseconds() -> UInt64 {
    let (seconds, nanoseconds) = now()
    return UInt64(max(0, seconds)) * 1000 + UInt64(nanoseconds / 1_000_000)
  }

  /// Since 1970: whole seconds, and nanoseconds from 0 to 999,999,999.
  public static func now() -> (seconds: Int64, nanoseconds: Int32) {
    var time = timespec()
    // Fails for an unknown clock only (clock_gettime(2)); this one always exists.
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return (Int64(time.tv_sec), Int32(time.tv_nsec))
  }
}

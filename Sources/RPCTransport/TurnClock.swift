/// How much of its time in one turn a connection has used.
///
/// The first frames of a turn are free; behind them, and behind some more or one that is long each,
/// the clock is looked at, so that small calls do not pay for it. Each turn gets on by at least one
/// frame, however long that takes.
struct TurnClock {
  /// The time of one turn behind its first frames: together a hundred small calls, and short enough
  /// that a reactor full of greedy connections still answers the others in well below a
  /// millisecond.
  static let nanoseconds: Int64 = 50_000
  /// The clock is looked at behind so many frames or bytes.
  ///
  /// A short frame is little work for a reactor, and what is more work is longer. What calls cost
  /// is counted where clocks run slowly: a load of 64 calls a connection needs no look.
  static let framesBetweenLooks = 64
  static let bytesBetweenLooks = 16_384

  /// For how many frames one counts whose call waits for something: a poll is several times as
  /// much work as a report or a short answer.
  static let framesOfKept = 8

  /// When the turn is over; nil: the clock was not looked at yet.
  private var end: Int64?
  private var frames = 0
  private var bytes = 0
  /// Whether the time is used up.
  private(set) var isOver = false

  mutating func begin() { self = TurnClock() }

  /// The frame that is handled now is one of those whose call waits.
  mutating func keptCall() { frames += Self.framesOfKept - 1 }

  /// The bytes before `offset` are done with; says whether the time is used up.
  mutating func reached(_ offset: Int, now: () -> Int64) -> Bool {
    if isOver { return true }
    frames += 1
    guard frames > Self.framesBetweenLooks || offset - bytes >= Self.bytesBetweenLooks else {
      return false
    }
    frames = 1
    bytes = offset
    let time = now()
    guard let end else {
      end = time + Self.nanoseconds
      return false
    }
    isOver = time >= end
    return isOver
  }
}

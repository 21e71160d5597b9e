/// Whether the clock may be far ahead of the true time.
///
/// A clock that went ahead by days was put right, belongs to a machine that rested for so long, or
/// is wrong, and nothing tells which. What is removed by its age does not come back; so after such
/// a step nothing is, until the server has run for a day, in which somebody can set the clock.
public struct ClockDoubt: Hashable, Sendable {
  /// A step ahead that is doubted when it is longer, in milliseconds: two days, so that a machine
  /// that rests over night or over a weekend is believed.
  public static let doubtfulMs: Int64 = 172_800_000
  /// How long the server runs in doubt, in milliseconds: a day.
  public static let lastsMs: Int64 = 86_400_000

  /// By how much the clock was set ahead, less what it was set back since, in milliseconds.
  public private(set) var aheadMs: Int64
  /// What is left of the doubt, in milliseconds; 0: the clock is believed.
  public private(set) var leftMs: Int64

  /// Makes a doubt as it was kept; without one the clock is believed.
  public init(aheadMs: Int64 = 0, leftMs: Int64 = 0) {
    self.leftMs = max(0, min(leftMs, Self.lastsMs))
    self.aheadMs = self.leftMs > 0 ? aheadMs : 0
  }

  /// Whether the clock is in doubt.
  public var isDoubtful: Bool { leftMs > 0 }

  /// The clock was set by so many milliseconds; one that is back about where it was is believed.
  public mutating func stepped(byMs step: Int64) {
    guard isDoubtful || step > Self.doubtfulMs else { return }
    let (sum, overflows) = aheadMs.addingReportingOverflow(step)
    let ahead = overflows ? (step > 0 ? Int64.max : .min) : sum
    let left = step > Self.doubtfulMs ? Self.lastsMs : leftMs
    self = ahead > Self.doubtfulMs ? ClockDoubt(aheadMs: ahead, leftMs: left) : ClockDoubt()
  }

  /// The server has run on for so many milliseconds.
  public mutating func passed(ms: Int64) {
    self = ClockDoubt(aheadMs: aheadMs, leftMs: leftMs - max(0, min(ms, Self.lastsMs)))
  }
}

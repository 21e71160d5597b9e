/// How many requests of an action go out in a span of time.
public struct DeliveryRate: Hashable, Sendable {
  /// The span where none is named: one minute.
  public static let defaultPeriodMs: UInt32 = 60_000
  /// Spans that can be named: one second to one day.
  public static let periodMs: ClosedRange<UInt32> = 1_000...86_400_000

  /// At most so many deliveries in any `periodMs`; 0: as many as there are.
  public var limit: UInt32
  /// The span in milliseconds; 0: one minute.
  public var periodMs: UInt32

  /// Makes a rate; without arguments it is unlimited.
  public init(limit: UInt32 = 0, periodMs: UInt32 = 0) {
    self.limit = limit
    self.periodMs = periodMs
  }

  /// Whether as many go out as there are.
  public var isUnlimited: Bool { limit == 0 }

  /// The span with its default, in milliseconds.
  var span: Int64 { Int64(periodMs == 0 ? Self.defaultPeriodMs : periodMs) }
}

/// The deliveries of an action that its rate still counts.
///
/// It holds this: in no half-open span of one period, by the server's clock, are there more
/// deliveries than the limit, also over restarts where the window is stored with the deliveries.
///
/// Deliveries are kept as groups. A group counts until its *last* delivery is one period old, so a
/// delivery is never forgotten too early, which proves the bound. With a limit of up to 64 each
/// delivery stands for itself, and the limit is reached exactly; above that a group spans at most
/// one 64th of the period, so that the size is bounded, and a steady stream gets at least 64 parts
/// in 65 of its limit.
public struct DeliveryWindow: Hashable, Sendable {
  /// Deliveries that are counted together.
  public struct Group: Hashable, Sendable {
    /// When the first was made.
    public var first: Instant
    /// When the last was made.
    public var last: Instant
    /// How many there were.
    public var count: Int64

    /// Makes a group.
    public init(first: Instant, last: Instant, count: Int64) {
      self.first = first
      self.last = last
      self.count = count
    }
  }

  /// In how many parts of a period deliveries are told apart.
  static let parts: Int64 = 64
  /// Commands of one batch carry times of several threads: so far apart, no clock was set back.
  static let jitterMs: Int64 = 1_000

  /// The groups, oldest first.
  public private(set) var groups: [Group]

  /// Makes a window of stored groups; without them nothing was delivered yet.
  public init(groups: [Group] = []) { self.groups = groups }

  /// Forgets what is a period old, and follows a clock that was set back.
  ///
  /// Called before the window is asked.
  public mutating func settle(_ rate: DeliveryRate, at now: Instant) {
    let start = now.adding(milliseconds: -rate.span)
    if let first = groups.first, first.last <= start { groups.removeAll { $0.last <= start } }
    guard let last = groups.last, last.last.milliseconds(since: now) > Self.jitterMs else { return }
    // What lies ahead counts as made now, which is later than it was: nobody waits longer than a
    // period because the clock was set back, and nothing is forgotten too early.
    for index in groups.indices {
      groups[index].first = min(groups[index].first, now)
      groups[index].last = min(groups[index].last, now)
    }
  }

  /// The same deliveries by a clock that was set by some milliseconds.
  public func moved(byMs step: Int64) -> DeliveryWindow {
    DeliveryWindow(
      groups: groups.map {
        Group(
          first: $0.first.adding(milliseconds: step), last: $0.last.adding(milliseconds: step),
          count: $0.count)
      })
  }

  /// How many deliveries may follow now.
  public func room(_ rate: DeliveryRate) -> Int {
    guard !rate.isUnlimited else { return .max }
    return Int(max(0, Int64(rate.limit) - groups.reduce(0) { $0 + $1.count }))
  }

  /// When the next delivery may follow; nil: now.
  public func opens(_ rate: DeliveryRate) -> Instant? {
    guard room(rate) == 0 else { return nil }
    var counted = groups.reduce(0) { $0 + $1.count }
    for group in groups {
      counted -= group.count
      if counted < Int64(rate.limit) { return group.last.adding(milliseconds: rate.span) }
    }
    return nil
  }

  /// Counts deliveries that are made now.
  public mutating func deliver(_ count: Int, _ rate: DeliveryRate, at now: Instant) {
    settle(rate, at: now)
    let step = Int64(rate.limit) <= Self.parts ? 0 : rate.span / Self.parts
    if let last = groups.last, now.milliseconds(since: last.first) <= step {
      groups[groups.count - 1].last = max(last.last, now)
      groups[groups.count - 1].count += Int64(count)
    } else {
      groups.append(Group(first: now, last: now, count: Int64(count)))
    }
  }
}

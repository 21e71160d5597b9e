/// How the time of a chart is parted into buckets.
public struct ChartScale: Hashable, Sendable {
  /// The most buckets.
  public static let maximumBuckets = 1_000

  /// When each bucket begins; the last ends where the chart does.
  public let starts: [Instant]
  /// How long one is, in milliseconds; days may have an hour more or less where clocks change.
  public let bucketMs: Int64
  /// Times are told apart by so many milliseconds, counted from ``origin``.
  public let grainMs: Int64
  /// Where the first grain begins.
  public let origin: Instant

  private static let dayMs: Int64 = 86_400_000
  private static let widths: [Int64] = [
    1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000,
    1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, dayMs, 7 * dayMs,
  ]

  /// Parts a time, which is not empty, into about so many buckets, never more than
  /// ``maximumBuckets``.
  ///
  /// Buckets have round lengths and begin at round times of the zone: so the first may begin before
  /// the chart does.
  public init(since: Instant, until: Instant, about wanted: Int, _ offset: ZoneOffset) {
    let span = max(1, until.milliseconds(since: since))
    // Two more than the span says at most, because the first may begin early and the last end late.
    let wanted = Int64(min(max(wanted, 1), Self.maximumBuckets - 2))
    let fits = { (width: Int64) in span / width <= wanted }
    let week = 7 * Self.dayMs
    let width = Self.widths.first(where: fits) ?? (span / wanted / week + 1) * week
    bucketMs = width
    if width < Self.dayMs {
      let shift = Int64(offset(since)) * 1_000
      let first = Self.floor(since.milliseconds + shift, width) * width - shift
      origin = Instant(milliseconds: first)
      grainMs = width
      starts = stride(from: first, to: until.milliseconds, by: Int(width)).map {
        Instant(milliseconds: $0)
      }
    } else {
      origin = .epoch
      grainMs = LogPeriod.grainMs
      let step = width / Self.dayMs
      var day = LogPeriod.day(of: since, offset)
      // Weeks begin on Monday; 1970-01-01 was a Thursday.
      if step >= 7 { day = Self.floor(day + 3, 7) * 7 - 3 }
      var starts: [Instant] = []
      while true {
        let start = LogPeriod.start(ofDay: day, offset)
        guard start < until else { break }
        starts.append(start)
        day += step
      }
      self.starts = starts
    }
  }

  /// The bucket of a grain; one before the first is taken into that.
  public func bucket(ofGrain grain: Int64) -> Int {
    let (span, _) = grain.multipliedReportingOverflow(by: grainMs)
    let at = origin.adding(milliseconds: span)
    var (low, high) = (0, starts.count)
    // The last that begins at or before it.
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= at { low = middle } else { high = middle }
    }
    return low
  }

  private static func floor(_ number: Int64, _ divisor: Int64) -> Int64 {
    let (quotient, rest) = number.quotientAndRemainder(dividingBy: divisor)
    return rest < 0 ? quotient - 1 : quotient
  }
}

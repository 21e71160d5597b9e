/// How long things took: counts by duration, exact to a sixteenth.
///
/// Up to 16 ms each millisecond has a bucket of its own; from there on each doubling has eight. So
/// 500 buckets hold every duration, histograms add up, and a percentile is at most 1/16 off.
public struct DurationHistogram: Hashable, Sendable {
  private static let exactBuckets = 16
  private static let bucketsOfDoubling = 8

  /// Counts by bucket, as far as any are known.
  private var counts: [UInt32] = []
  /// How many durations it holds.
  public private(set) var count: UInt64 = 0

  /// Makes a histogram of nothing.
  public init() {}

  /// Takes in a duration; a negative one counts as 0.
  public mutating func add(milliseconds: Int64) {
    add(1, to: Self.bucket(UInt64(clamping: milliseconds)))
  }

  /// Takes in all of another.
  public mutating func add(_ other: DurationHistogram) {
    for (bucket, number) in other.counts.enumerated() where number > 0 {
      add(number, to: bucket)
    }
  }

  private mutating func add(_ number: UInt32, to bucket: Int) {
    if counts.count <= bucket {
      counts += repeatElement(0, count: bucket + 1 - counts.count)
    }
    counts[bucket] = UInt32(clamping: UInt64(counts[bucket]) + UInt64(number))
    count += UInt64(number)
  }

  /// The duration that a part of all do not exceed, in milliseconds; 0 of nothing.
  ///
  /// `part` is 0.5 for the median. It is the middle of its bucket.
  public func percentile(_ part: Double) -> UInt64 {
    guard count > 0 else { return 0 }
    let wanted = UInt64(max(1, (min(max(part, 0), 1) * Double(count)).rounded(.up)))
    var passed: UInt64 = 0
    for (bucket, number) in counts.enumerated() {
      passed += UInt64(number)
      if passed >= wanted { return Self.middle(of: bucket) }
    }
    return Self.middle(of: counts.count - 1)
  }

  private static func bucket(_ milliseconds: UInt64) -> Int {
    guard milliseconds >= UInt64(exactBuckets) else { return Int(milliseconds) }
    let doubling = 63 - milliseconds.leadingZeroBitCount
    let place = Int(milliseconds >> UInt64(doubling - 3)) & (bucketsOfDoubling - 1)
    return exactBuckets + (doubling - 4) * bucketsOfDoubling + place
  }

  private static func middle(of bucket: Int) -> UInt64 {
    guard bucket >= exactBuckets else { return UInt64(bucket) }
    let (doubling, place) = (bucket - exactBuckets).quotientAndRemainder(
      dividingBy: bucketsOfDoubling)
    let width = UInt64(1) << UInt64(doubling + 1)
    return (UInt64(bucketsOfDoubling + place) << UInt64(doubling + 1)) + width / 2
  }
}

import Testing

@testable import IntegrationModel

@Suite struct DeliveryRateTests {
  static let start = Instant(milliseconds: 1_790_000_000_000)

  static func at(_ milliseconds: Int64) -> Instant { start.adding(milliseconds: milliseconds) }

  @Test("Up to the limit goes out at once, the next when the first is a period old")
  func exact() {
    let rate = DeliveryRate(limit: 3, periodMs: 10_000)
    var window = DeliveryWindow()
    #expect(window.room(rate) == 3)
    window.deliver(2, rate, at: Self.at(0))
    window.deliver(1, rate, at: Self.at(4_000))
    #expect(window.room(rate) == 0)
    #expect(window.opens(rate) == Self.at(10_000))
    window.settle(rate, at: Self.at(9_999))
    #expect(window.room(rate) == 0)
    window.settle(rate, at: Self.at(10_000))
    #expect(window.room(rate) == 2)
    #expect(window.opens(rate) == nil)
  }

  @Test("Without a limit everything goes out, and without a period one minute is meant")
  func defaults() {
    var window = DeliveryWindow()
    window.deliver(1_000_000, DeliveryRate(limit: 1), at: Self.at(0))
    #expect(window.room(DeliveryRate()) == .max)
    #expect(window.opens(DeliveryRate(limit: 1)) == Self.at(60_000))
  }

  @Test(
    "A lower limit closes a window, a higher one opens it, and what was delivered stays counted")
  func changed() {
    var window = DeliveryWindow()
    window.deliver(5, DeliveryRate(limit: 10, periodMs: 10_000), at: Self.at(0))
    window.deliver(5, DeliveryRate(limit: 10, periodMs: 10_000), at: Self.at(1_000))
    let lower = DeliveryRate(limit: 5, periodMs: 10_000)
    #expect(window.room(lower) == 0)
    // Both groups must be old enough: one alone fills the lower limit.
    #expect(window.opens(lower) == Self.at(11_000))
    #expect(window.room(DeliveryRate(limit: 12, periodMs: 10_000)) == 2)
  }

  @Test("A clock that is set back makes nobody wait longer than a period")
  func setBack() {
    let rate = DeliveryRate(limit: 1, periodMs: 10_000)
    var window = DeliveryWindow()
    window.deliver(1, rate, at: Self.at(3_600_000))
    window.settle(rate, at: Self.at(0))
    #expect(window.room(rate) == 0)
    #expect(window.opens(rate) == Self.at(10_000))
    // Times of several threads lie milliseconds apart: that moves nothing.
    window = DeliveryWindow()
    window.deliver(1, rate, at: Self.at(50))
    window.settle(rate, at: Self.at(40))
    #expect(window.opens(rate) == Self.at(10_050))
  }

  static let streams: [(limit: UInt32, periodMs: UInt32)] = [
    (1, 1_000), (7, 1_000), (64, 5_000), (65, 5_000), (1_000, 10_000), (100_000, 60_000),
  ]

  @Test(
    "In no span of a period are there more than the limit, and a steady stream gets nearly all",
    arguments: streams)
  func bound(limit: UInt32, periodMs: UInt32) {
    let rate = DeliveryRate(limit: limit, periodMs: periodMs)
    var generator = SeededGenerator(state: UInt64(limit))
    var window = DeliveryWindow()
    var deliveries: [(at: Int64, count: Int)] = []
    var now: Int64 = 0
    let end = 40 * Int64(periodMs)
    while now < end {
      window.settle(rate, at: Self.at(now))
      let wanted = Int.random(in: 1...Int(max(1, limit / 8)), using: &generator)
      let count = min(wanted, window.room(rate))
      if count > 0 {
        window.deliver(count, rate, at: Self.at(now))
        deliveries.append((now, count))
        #expect(window.groups.count <= 67)
        now += Int64.random(in: 0...max(1, Int64(periodMs) / Int64(limit)), using: &generator)
      } else if let opens = window.opens(rate) {
        // Woken no earlier than needed, and never in vain.
        let wait = opens.milliseconds(since: Self.at(now))
        #expect(wait > 0 && wait <= Int64(periodMs))
        now += wait
      }
    }
    var first = 0
    var counted = 0
    for delivery in deliveries {
      counted += delivery.count
      while deliveries[first].at <= delivery.at - Int64(periodMs) {
        counted -= deliveries[first].count
        first += 1
      }
      #expect(counted <= Int(limit))
    }
    let total = deliveries.reduce(0) { $0 + $1.count }
    #expect(total >= 39 * Int(limit) * 64 / 65 - Int(limit))
  }

  /// A generator that gives the same numbers in each run.
  struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
      return mixed ^ (mixed >> 31)
    }
  }
}

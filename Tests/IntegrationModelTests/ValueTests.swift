import IntegrationModel
import Testing

@Suite struct ValueTests {
  @Test("A log's id carries its time, version and text")
  func logID() throws {
    let time = Instant(milliseconds: 0x0199_2b5e_7a3f)
    let id = LogID(at: time, random: (.max, .max))
    #expect(id.time == time)
    #expect(id.isVersion7)
    #expect("\(id)" == "01992b5e-7a3f-7fff-bfff-ffffffffffff")
    #expect(LogID("\(id)") == id)
    #expect(LogID("01992B5E-7A3F-7FFF-BFFF-FFFFFFFFFFFF") == id)
  }

  @Test("Ids run in the order of their time")
  func idOrder() {
    let early = LogID(at: Instant(milliseconds: 1_000), random: (.max, .max))
    let late = LogID(at: Instant(milliseconds: 1_001), random: (0, 0))
    #expect(early < late)
    #expect(LogID(lowerBoundAt: late.time) < late)
    #expect(LogID(lowerBoundAt: late.time) > early)
  }

  @Test(
    "An id made after another of its millisecond comes after it, whatever the random numbers",
    arguments: [UInt64(0), 7, 1 << 34, .max])
  func idAfter(random: UInt64) {
    let time = Instant(milliseconds: 1_000)
    for low in [UInt64(0), .max << 2, .max] {
      let earlier = LogID(at: time, random: (0x123, low))
      let next = LogID(at: time, random: (random, random), after: earlier)
      #expect(next > earlier && next.time == time && next.isVersion7)
    }
    let full = LogID(at: time, random: (.max, .max))
    #expect(LogID(at: time, random: (1, 2), after: full) == LogID(at: time, random: (1, 2)))
    let later = Instant(milliseconds: 1_001)
    #expect(LogID(at: later, random: (1, 2), after: full) == LogID(at: later, random: (1, 2)))
  }

  @Test(
    "What is no UUID is refused",
    arguments: [
      "", "01992b5e7a3f7fffbfffffffffffffff", "01992b5e-7a3f-7fff-bfff-fffffffffff",
      "01992b5e-7a3f-7fff-bfff-ffffffffffff0", "01992b5e-7a3f-7fff-bfff-fffffffffffg",
      "01992b5e_7a3f-7fff-bfff-ffffffffffff", "------------------------------------",
    ])
  func badID(text: String) {
    #expect(LogID(text) == nil)
  }

  @Test("The beginning of an id stands for the ids that begin so")
  func prefix() throws {
    let range = try #require(LogID.range(ofPrefix: "01992B5E7A3F7"))
    #expect(range.lowerBound.description == "01992b5e-7a3f-7000-0000-000000000000")
    #expect(range.upperBound.description == "01992b5e-7a3f-7fff-ffff-ffffffffffff")
    #expect(LogID.range(ofPrefix: "01992b5e-7a3f-7") == range)
  }

  @Test(
    "Other text is the beginning of no id, also where a character has several bytes",
    arguments: [
      "", "01992b5", "01992b5g", "01992b5e_7a3f", "ÄÖÜÄÖ", "\r\n\r\n\r\n\r\n\r\n",
      "0\u{301}0\u{301}0\u{301}0\u{301}", "٠١٢٣٤٥٦٧", "01992b5e7a3f7fffbfffffffffffffff0",
    ])
  func noPrefix(_ text: String) {
    #expect(LogID.range(ofPrefix: text) == nil)
  }

  @Test("Every byte at every place of an id is read as a digit or a hyphen, or refused")
  func everyByte() {
    let good = Array("01234567-89ab-7cde-8f01-23456789abcd".utf8)
    for place in good.indices {
      for byte in UInt8.min ... .max {
        var text = good
        text[place] = byte
        let isHyphen = good[place] == UInt8(ascii: "-")
        let isDigit = Character(Unicode.Scalar(byte)).isHexDigit && byte < 0x80
        let read = text.withUnsafeBytes { LogID(text: $0) }
        let isGood = isHyphen ? byte == UInt8(ascii: "-") : isDigit
        #expect((read != nil) == isGood, "byte \(byte) at \(place)")
        let written = read?.description
        #expect(written == (isGood ? String(decoding: text, as: UTF8.self).lowercased() : nil))
      }
    }
  }

  @Test("Ids that agents make are checked against version and clock")
  func idComplaints() {
    let now = Instant(milliseconds: 1_790_000_000_000)
    #expect(FieldRules.complaint(logID: LogID(at: now, random: (1, 2))) == nil)
    let edge = now.adding(milliseconds: FieldRules.maximumClockAheadMs)
    #expect(!FieldRules.isAhead(LogID(at: edge, random: (1, 2)), of: now))
    let late = LogID(at: edge.adding(milliseconds: 1), random: (1, 2))
    #expect(FieldRules.isAhead(late, of: now))
    #expect(FieldRules.aheadComplaint(logID: late, now: now).contains("set the agent's clock"))
    let version4 = LogID("7f9c24e8-3b12-4fef-91e0-56a2d5a1b2c3")
    #expect(FieldRules.complaint(logID: version4)?.contains("version 7") == true)
    #expect(FieldRules.complaint(logID: nil) != nil)
  }

  @Test("A lease token survives its text", arguments: [UInt32(1), .max], [UInt64(0), .max, 77])
  func tokens(delivery: UInt32, nonce: UInt64) {
    let token = LeaseToken(delivery: delivery, nonce: nonce)
    #expect("\(token)".utf8.count == LeaseToken.textBytes)
    #expect(LeaseToken("\(token)") == token)
  }

  @Test("What is no token is refused", arguments: ["", "00", "g00000010000000000000007"])
  func badToken(text: String) {
    #expect(LeaseToken(text) == nil)
  }

  @Test("Names are lower-case ids", arguments: ["a", "export_order", "0-9.x", "erp.north-1"])
  func names(text: String) {
    #expect(FieldRules.complaint(name: text) == nil)
  }

  @Test(
    "Other names are refused with the rule",
    arguments: ["", "A", "_a", "-a", "ü", "a b", String(repeating: "a", count: 129)])
  func badNames(text: String) {
    #expect(FieldRules.complaint(name: text)?.contains("[a-z0-9]") == true)
  }

  @Test(
    "Backoff grows to its maximum and ends with the attempts",
    arguments: [
      (1, 1_000), (2, 2_000), (3, 4_000), (4, 5_000), (9, 5_000), (10, nil), (UInt32.max, nil),
    ] as [(UInt32, Int64?)])
  func backoff(attempt: UInt32, expected: Int64?) {
    let rule = RetryRule(
      maximumAttempts: 10, initialBackoffMs: 1_000, maximumBackoffMs: 5_000, multiplier: 2)
    #expect(rule.backoffMs(afterAttempt: attempt) == expected)
  }

  @Test("The agent's own wish counts where it is longer, and defaults are taken")
  func backoffDefaults() {
    let rule = RetryRule(maximumAttempts: 3, initialBackoffMs: 1_000)
    #expect(rule.backoffMs(afterAttempt: 2) == 2_000)
    #expect(rule.backoffMs(afterAttempt: 1, askedMs: 9_000) == 9_000)
    #expect(RetryRule().backoffMs(afterAttempt: 1) == nil)
    #expect(
      RetryRule(maximumAttempts: .max, initialBackoffMs: .max, multiplier: .nan)
        .backoffMs(afterAttempt: 2_000) == 3_600_000)
  }

  @Test("Times stop at the ends of their range")
  func saturation() {
    #expect(Instant.distantFuture.adding(milliseconds: 1) == .distantFuture)
    #expect(
      Instant(milliseconds: .min).adding(milliseconds: -1) == Instant(milliseconds: .min))
    #expect(
      Instant(milliseconds: .min).milliseconds(since: Instant(milliseconds: .max)) == .min)
  }
}

import Testing

@testable import IntegrationModel

@Suite struct ZoneRulesTests {
  private func seconds(_ text: (Int, Int, Int, Int, Int)) -> Int64 {
    CivilTime(year: text.0, month: text.1, day: text.2, hour: text.3, minute: text.4).seconds
  }

  @Test("Listed transitions hold to their second, then the footer goes on")
  func transitions() throws {
    let bytes = ZoneFixtures.file(
      transitions: [(1_000, 3_600), (2_000, -1_800), (978_307_200, 3_600)], first: 600,
      footer: "CET-1CEST,M3.5.0,M10.5.0/3")
    let rules = try ZoneRules(tzif: bytes)
    #expect(
      [999, 1_000, 1_999, 2_000].map { rules.offset(at: $0) } == [600, 3_600, 3_600, -1_800])
    #expect(rules.offset(at: .min / 4) == 600)
    #expect(rules.nextTransition(after: 1_000) == 2_000)
    #expect(rules.lastTransition(by: 999) == nil && rules.lastTransition(by: 1_000) == 1_000)
    let spring = seconds((2031, 3, 30, 1, 0))
    #expect(rules.offset(at: spring - 1) == 3_600 && rules.offset(at: spring) == 7_200)
    #expect(rules.nextTransition(after: spring - 1) == spring)
    #expect(rules.lastTransition(by: spring) == spring)
  }

  @Test(
    "Footers in all their forms",
    arguments: [
      ("EST5EDT,M3.2.0,M11.1.0", (2027, 3, 14, 7, 0), -14_400),
      ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", (2027, 4, 3, 15, 0), 37_800),
      ("EET-2EEST,M3.4.4/50,M10.4.4/50", (2027, 3, 27, 0, 0), 10_800),
      ("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", (2027, 3, 28, 1, 0), -3_600),
      ("IST-1GMT0,M10.5.0,M3.5.0/1", (2027, 10, 31, 1, 0), 0),
      ("AAA3BBB,J60/0,J300", (2028, 3, 1, 3, 0), -7_200),
      ("AAA3BBB,59/0,300", (2028, 2, 29, 3, 0), -7_200),
      ("EST5EDT,0/0,J365/25", (2027, 1, 1, 5, 0), -14_400),
      ("JST-9", (2027, 7, 1, 0, 0), 32_400),
    ])
  func footers(footer: String, change: (Int, Int, Int, Int, Int), offset: Int) throws {
    let rules = try ZoneRules(tzif: ZoneFixtures.file(footer: footer))
    #expect(rules.offset(at: seconds(change)) == offset)
    if rules.nextTransition(after: 0) != nil, !footer.contains("J365") {
      #expect(rules.offset(at: seconds(change) - 1) != offset)
    }
  }

  @Test(
    "What is no TZ string is refused",
    arguments: [
      "C", "CET", "CET-", "CET-25", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0",
      "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,J0,J1",
      "CET-1CEST,M3.5.0/168,M10.5.0", "<CET-1", "CET-1CEST,M3.5.0,M10.5.0x", "CET-1:60",
    ])
  func badFooters(footer: String) {
    #expect(throws: ZoneProblem.self) {
      try ZoneRules(tzif: ZoneFixtures.file(footer: footer))
    }
  }

  @Test("A file cut at any byte is refused, and one with any byte changed never ends the program")
  func damagedFiles() throws {
    let bytes = ZoneFixtures.file(
      transitions: [(1_000, 3_600), (2_000, -1_800)], footer: "CET-1CEST,M3.5.0,M10.5.0/3")
    for count in 0..<bytes.count {
      #expect(throws: ZoneProblem.self) { try ZoneRules(tzif: Array(bytes.prefix(count))) }
    }
    var random = RandomNumbers(seed: 3)
    for place in bytes.indices {
      for _ in 0..<8 {
        var damaged = bytes
        damaged[place] = UInt8(truncatingIfNeeded: random.next())
        guard let rules = try? ZoneRules(tzif: damaged) else { continue }
        _ = rules.offset(at: 1_800_000_000)
        _ = rules.nextTransition(after: 1_800_000_000)
      }
    }
  }

  @Test("Leap seconds, version 1 and unordered transitions are refused with a sentence")
  func refused() throws {
    var old = ZoneFixtures.file(footer: "UTC0")
    old[4] = 0
    let problem = try #require(throws: ZoneProblem.self) { try ZoneRules(tzif: old) }
    #expect(problem.description.contains("version 2"))
    let unordered = ZoneFixtures.file(transitions: [(5, 1), (5, 2)], footer: "UTC0")
    #expect(throws: ZoneProblem.self) { try ZoneRules(tzif: unordered) }
  }

  @Test(
    "Names that lead elsewhere are refused",
    arguments: [
      "../etc/passwd", "/etc/passwd", "Europe/../UTC", "", "Europe//Berlin", "Europe/", "a/b/c/d",
      "Europe/Ber lin", "Zürich", "tzdata.zi", String(repeating: "a", count: 65),
    ])
  func badNames(name: String) {
    #expect(ZoneRules.complaint(name: name) != nil)
  }

  @Test(
    "Names of zones pass", arguments: ["Europe/Berlin", "Etc/GMT+12", "America/Port-au-Prince"])
  func goodNames(name: String) {
    #expect(ZoneRules.complaint(name: name) == nil)
  }

  @Test("Near names are found: case, letters, the city alone")
  func nearNames() {
    let names = ["Europe/Berlin", "Europe/Dublin", "America/New_York", "Asia/Kathmandu", "UTC"]
    #expect(ZoneNames.near(to: "Europe/Berln", among: names).first == "Europe/Berlin")
    #expect(ZoneNames.near(to: "europe/berlin", among: names).first == "Europe/Berlin")
    #expect(ZoneNames.near(to: "Berlin", among: names).first == "Europe/Berlin")
    #expect(ZoneNames.near(to: "Asia/New_York", among: names) == ["America/New_York"])
    #expect(ZoneNames.near(to: "Mars/Olympus", among: names).isEmpty)
  }
}

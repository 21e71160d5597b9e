import IntegrationModel

/// Zones for tests, made here so that they need no files: the rules of today for all time.
enum ZoneFixtures {
  static let utc = ZoneRules.utc
  static let berlin = zone(footer: "CET-1CEST,M3.5.0,M10.5.0/3")
  static let newYork = zone(footer: "EST5EDT,M3.2.0,M11.1.0")
  /// Its clocks change by half an hour.
  static let lordHowe = zone(footer: "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0")
  static let kathmandu = zone(footer: "<+0545>-5:45")
  /// Its day begins at 1:00 when clocks go forward.
  static let cairo = zone(footer: "EET-2EEST,M4.5.5/0,M10.5.4/24")
  static let nuuk = zone(footer: "<-02>2<-01>,M3.5.0/-1,M10.5.0/0")

  static let all: [(name: String, rules: ZoneRules)] = [
    ("UTC", utc), ("Europe/Berlin", berlin), ("America/New_York", newYork),
    ("Australia/Lord_Howe", lordHowe), ("Asia/Kathmandu", kathmandu), ("Africa/Cairo", cairo),
    ("America/Nuuk", nuuk),
  ]

  private static func zone(footer: String) -> ZoneRules {
    do {
      return try ZoneRules(tzif: file(footer: footer))
    } catch {
      fatalError("\(footer): \(error)")
    }
  }

  /// A file with transitions to the given offsets, and a footer.
  static func file(
    transitions: [(at: Int64, offset: Int32)] = [], first: Int32 = 0, footer: String
  ) -> [UInt8] {
    let types = [first] + transitions.map(\.offset)
    var bytes = header(version: "2", transitions: 0, types: 1)
    bytes += big(UInt64(0), 4) + [0, 0] + [0]
    bytes += header(version: "2", transitions: transitions.count, types: types.count)
    for transition in transitions { bytes += big(UInt64(bitPattern: transition.at), 8) }
    for index in transitions.indices { bytes.append(UInt8(index + 1)) }
    for type in types { bytes += big(UInt64(bitPattern: Int64(type)), 4) + [0, 0] }
    return bytes + [0] + Array("\n\(footer)\n".utf8)
  }

  private static func header(version: Character, transitions: Int, types: Int) -> [UInt8] {
    var bytes = Array("TZif\(version)".utf8) + [UInt8](repeating: 0, count: 15)
    for count in [0, 0, 0, transitions, types, 1] { bytes += big(UInt64(count), 4) }
    return bytes
  }

  private static func big(_ number: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: number >> UInt64((count - 1 - $0) * 8)) }
  }
}

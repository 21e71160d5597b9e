/// Spans as people write them: a number and a unit, several in a row.
public enum DurationText {
  private static let units: [(name: String, milliseconds: Int64)] = [
    ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
  ]

  /// Reads `500ms`, `15m`, `1h30m`, `2d`; nil when it is no span or longer than 292 million years.
  public static func parse(_ text: String) -> Duration? {
    var total: Int64 = 0
    var rest = Substring(text)
    guard !rest.isEmpty else { return nil }
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      let unit = rest.dropFirst(digits.count).prefix { $0.isASCII && $0.isLetter }
      guard let count = Int64(digits), let scale = units.first(where: { $0.name == unit }) else {
        return nil
      }
      let (part, tooLong) = count.multipliedReportingOverflow(by: scale.milliseconds)
      let (sum, overflow) = total.addingReportingOverflow(part)
      guard !tooLong, !overflow else { return nil }
      total = sum
      rest = rest.dropFirst(digits.count + unit.count)
    }
    return .milliseconds(total)
  }

  /// Writes a span with the fewest units that lose no millisecond: `1h30m`, `250ms`.
  public static func format(_ duration: Duration) -> String {
    let parts = duration.components
    var rest = parts.seconds &* 1000 &+ parts.attoseconds / 1_000_000_000_000_000
    guard rest > 0 else { return "0s" }
    var text = ""
    for unit in units where unit.name != "w" {
      let count = rest / unit.milliseconds
      if count > 0 { text += "\(count)\(unit.name)" }
      rest %= unit.milliseconds
    }
    return text
  }
}

/// Byte counts as people write them, in powers of 1,024.
public enum ByteCountText {
  private static let units: [(name: String, bytes: Int)] = [
    ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1),
  ]

  /// Reads `4096`, `64KiB`, `4MiB`; nil when it is no count or does not fit 63 bits.
  public static func parse(_ text: String) -> Int? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let count = Int(digits) else { return nil }
    let unit = text.dropFirst(digits.count)
    if unit.isEmpty { return count }
    guard let scale = units.first(where: { $0.name == unit }) else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: scale.bytes)
    return overflow ? nil : bytes
  }

  /// Writes a count in the largest unit that divides it: `4MiB`, `1500B`.
  public static func format(_ bytes: Int) -> String {
    guard bytes > 0 else { return "0B" }
    for unit in units where bytes.isMultiple(of: unit.bytes) {
      return "\(bytes / unit.bytes)\(unit.name)"
    }
    return "\(bytes)B"
  }
}

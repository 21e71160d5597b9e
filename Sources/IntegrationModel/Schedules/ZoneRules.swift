/// The offsets from UTC of a time zone, as its file (RFC 9636) says.
///
/// A value; ``init(tzif:)`` reads the bytes of a file. After the last transition that the file
/// lists, the rule of its footer goes on for ever.
public struct ZoneRules: Hashable, Sendable {
  /// Seconds since 1970 at which an offset begins, rising.
  let transitions: [Int64]
  /// Offsets east of UTC in seconds; element n holds from transition n on.
  let offsets: [Int32]
  /// The offset before the first transition.
  let firstOffset: Int32
  /// What holds after the last transition.
  let footer: ZoneFooter?

  /// Coordinated universal time, which needs no file.
  public static let utc = ZoneRules(transitions: [], offsets: [], firstOffset: 0, footer: nil)

  /// Seconds east of UTC at a time in seconds since 1970.
  public func offset(at seconds: Int64) -> Int {
    guard let last = transitions.last else {
      return footer?.offset(at: seconds) ?? Int(firstOffset)
    }
    if seconds >= last {
      return footer?.offset(at: seconds) ?? Int(offsets[offsets.count - 1])
    }
    let index = transitionIndex(after: seconds)
    return index == 0 ? Int(firstOffset) : Int(offsets[index - 1])
  }

  /// The first transition after a time; nil: the offset stays for ever.
  public func nextTransition(after seconds: Int64) -> Int64? {
    let index = transitionIndex(after: seconds)
    if index < transitions.count { return transitions[index] }
    return footer?.nextTransition(after: seconds)
  }

  /// The last transition at or before a time; nil: there was none.
  func lastTransition(by seconds: Int64) -> Int64? {
    let index = transitionIndex(after: seconds)
    let listed = index > 0 ? transitions[index - 1] : nil
    guard index == transitions.count,
      let ruled = footer?.lastTransition(by: seconds), ruled > listed ?? .min
    else { return listed }
    return ruled
  }

  /// The index of the first listed transition after a time.
  private func transitionIndex(after seconds: Int64) -> Int {
    var (low, high) = (0, transitions.count)
    while low < high {
      let middle = (low + high) / 2
      if transitions[middle] <= seconds { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// A time as the zone's clocks show it, in RFC 3339: `2026-03-29T03:00:00+02:00`.
  public func localText(_ instant: Instant) -> String {
    let seconds = CivilTime.floorDivide(instant.milliseconds, 1_000)
    let offset = offset(at: seconds)
    return CivilTime(seconds: seconds + Int64(offset)).rfc3339(offset: offset)
  }

  /// Why a text cannot be the name of a zone; nil: it can.
  ///
  /// A name is a path below the directory of zones, so nothing is allowed that leads out of it.
  public static func complaint(name: String) -> String? {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    let isRight =
      (1...64).contains(name.utf8.count) && parts.count <= 3
      && parts.allSatisfy { part in
        !part.isEmpty
          && part.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
              UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "+"),
              UInt8(ascii: "-"):
              true
            default: false
            }
          }
      }
    return isRight ? nil : "expected the name of a time zone such as Europe/Berlin"
  }
}

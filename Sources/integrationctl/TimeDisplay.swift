import Glibc

/// How people read times.
enum TimeStyle: String, CaseIterable, Sendable {
  /// How long ago.
  case relative
  /// The moment in the local zone.
  case absolute
  /// The moment in UTC.
  case utc
}

/// The style that `--time` chose for the run of one verb.
///
/// Task-local, and not a parameter: cells of all tables ask for it, also through closures that know
/// only their row and the present moment.
enum TimeDisplay {
  @TaskLocal static var style = TimeStyle.relative
}

extension TimeText {
  /// A moment in a list, as `--time` says: `3m ago`, `2026-11-24 09:30:00 CET`.
  static func shown(_ time: WallTime, now: WallTime) -> String {
    TimeDisplay.style == .relative ? relative(time, now: now) : whole(time)
  }

  /// A moment with its zone: UTC, unless the local one is asked for.
  static func whole(_ time: WallTime) -> String {
    guard TimeDisplay.style == .absolute else { return "\(plain(time)) UTC" }
    let zone = LocalZone.at(time)
    return "\(plain(zone.shifted(time))) \(zone.name)"
  }

  /// A moment to the millisecond; the zone stands with local times only, a heading says UTC.
  static func instant(_ time: WallTime) -> String {
    guard TimeDisplay.style == .absolute else {
      return "\(date(time)) \(clockWithMilliseconds(time))"
    }
    let zone = LocalZone.at(time)
    let local = zone.shifted(time)
    return "\(date(local)) \(clockWithMilliseconds(local)) \(zone.name)"
  }

  /// The time of day for lines that follow each other.
  static func lineClock(_ time: WallTime) -> String {
    clockWithMilliseconds(
      TimeDisplay.style == .absolute ? LocalZone.at(time).shifted(time) : time)
  }
}

/// The zone of `TZ`, else the machine's, at one moment.
struct LocalZone: Sendable, Equatable {
  let secondsEast: Int64
  /// `CET`, or `+0530` where the zone has no letters.
  let name: String

  func shifted(_ time: WallTime) -> WallTime {
    WallTime(milliseconds: time.milliseconds + secondsEast * 1000)
  }

  /// By localtime_r(3), which knows the rules of the moment's own year.
  static func at(_ time: WallTime) -> LocalZone {
    tzset()
    var seconds = time_t(TimeText.floorDivide(time.milliseconds, 1000))
    var local = unsafe tm()
    guard unsafe localtime_r(&seconds, &local) != nil, unsafe local.tm_zone != nil else {
      return LocalZone(secondsEast: 0, name: "UTC")
    }
    return unsafe LocalZone(
      secondsEast: Int64(local.tm_gmtoff), name: String(cString: local.tm_zone))
  }
}

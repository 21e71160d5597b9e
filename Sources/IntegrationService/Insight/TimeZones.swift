import IntegrationModel
import RPCWire

extension IntegrationService {
  /// The offsets of the zone that a call names: `Europe/Berlin`, `+02:00`; empty: UTC.
  func offset(ofZone name: String) async throws(RPCError) -> ZoneOffset {
    if let fixed = LogPeriod.fixedOffset(name) { return fixed }
    let rules = try await zone(name, "time_zone")
    // Seconds are rounded down, also before 1970.
    return { rules.offset(at: ($0.milliseconds - 999 * ($0.milliseconds < 0 ? 1 : 0)) / 1_000) }
  }
}

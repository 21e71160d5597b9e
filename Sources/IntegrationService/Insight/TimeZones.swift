import IntegrationModel
import RPCWire

/// The zones that calls name.
enum TimeZones {
  /// The offsets of a zone: empty or UTC, or an offset such as `+02:00`.
  static func offset(_ name: String, _ field: String = "time_zone") throws(RPCError) -> ZoneOffset {
    if let fixed = LogPeriod.fixedOffset(name) { return fixed }
    throw .invalid(
      field,
      "expected UTC or an offset such as +02:00; there is no zone \"\(RPCError.shown(name))\""
    )
  }
}

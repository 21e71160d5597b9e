import IntegrationAPI
import IntegrationModel
import RPCWire

extension FieldChecks {
  /// Reads what an operator sets and clears, and notes what is wrong with it.
  mutating func override(
    _ set: PolicyOverride?, clearing clear: [String]
  ) -> (change: ActionOverride, cleared: Set<ActionOverride.Field>) {
    let set = set ?? PolicyOverride()
    let named = fields(set.fields.filter { $0 != Self.ratePeriod }, "set.fields")
    let cleared = fields(clear, "clear")
    if set.fields.isEmpty, clear.isEmpty {
      note(
        "set.fields", "expected the names of the fields to set, or some in clear; both are empty")
    }
    for field in named.intersection(cleared) {
      note("clear", "expected \(field.rawValue) either set or cleared; it is both")
    }
    checkUnnamed(set, named)
    if named.contains(.retry) { policy(set.retry ?? RetryPolicy(), "set.retry.") }
    range(set.ratePeriodMs, "set.rate_period_ms", DeliveryRate.periodMs)
    return (ActionOverride(set, named), cleared)
  }

  /// The period belongs to the limit and is named with it, or alone in vain.
  private static let ratePeriod = "rate_period_ms"

  private mutating func fields(_ names: [String], _ list: String) -> Set<ActionOverride.Field> {
    var fields: Set<ActionOverride.Field> = []
    for name in names.prefix(20) {
      if let field = ActionOverride.Field(rawValue: name) {
        fields.insert(field)
      } else {
        let known = ActionOverride.Field.allCases.map(\.rawValue).joined(separator: ", ")
        note(list, "expected one of \(known); \"\(RPCError.shown(name))\" is none of them")
      }
    }
    if names.count > 20 { note(list, "expected at most 20 names; it has \(names.count)") }
    return fields
  }

  /// A value whose field is not named would be lost silently.
  private mutating func checkUnnamed(_ set: PolicyOverride, _ named: Set<ActionOverride.Field>) {
    let given: [(ActionOverride.Field, Bool)] = [
      (.retry, set.retry != nil), (.queueTimeout, set.queueTimeoutMs != 0),
      (.progressTimeout, set.progressTimeoutMs != 0), (.maximumInFlight, set.maximumInFlight != 0),
      (.oneOpenPerEntity, set.oneOpenPerEntity),
      (.rateLimit, set.rateLimit != 0 || set.ratePeriodMs != 0),
      (.canBeRequested, set.canBeRequested),
    ]
    for (field, isGiven) in given where isGiven && !named.contains(field) {
      note("set.\(field.rawValue)", "expected its name in set.fields, else it is not set")
    }
    if set.fields.contains(Self.ratePeriod), !named.contains(.rateLimit) {
      note("set.rate_limit", "expected a limit beside rate_period_ms, and its name in set.fields")
    }
  }
}

extension ActionOverride {
  /// The named fields of a message.
  init(_ set: PolicyOverride, _ named: Set<Field>) {
    self.init()
    for field in named {
      switch field {
      case .retry: retry = RetryRule(set.retry ?? RetryPolicy())
      case .queueTimeout: queueTimeoutMs = set.queueTimeoutMs
      case .progressTimeout: progressTimeoutMs = set.progressTimeoutMs
      case .maximumInFlight: maximumInFlight = set.maximumInFlight
      case .oneOpenPerEntity: oneOpenPerEntity = set.oneOpenPerEntity
      case .rateLimit: rate = DeliveryRate(limit: set.rateLimit, periodMs: set.ratePeriodMs)
      case .canBeRequested: canBeRequested = set.canBeRequested
      }
    }
  }
}

extension PolicyOverride {
  /// What operators set, as it is shown.
  init(_ override: ActionOverride) {
    self.init()
    fields = override.fields.map(\.rawValue)
    retry = override.retry.map(RetryPolicy.init)
    queueTimeoutMs = override.queueTimeoutMs ?? 0
    progressTimeoutMs = override.progressTimeoutMs ?? 0
    maximumInFlight = override.maximumInFlight ?? 0
    oneOpenPerEntity = override.oneOpenPerEntity ?? false
    rateLimit = override.rate?.limit ?? 0
    ratePeriodMs =
      override.rate.map { $0.periodMs == 0 ? DeliveryRate.defaultPeriodMs : $0.periodMs }
      ?? 0
    canBeRequested = override.canBeRequested ?? false
  }
}

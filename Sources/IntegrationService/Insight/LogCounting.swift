import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCWire

/// What a count is by, in the order of the call, and the text of each group's keys.
struct LogCounting: Sendable {
  /// The most dimensions of one count.
  static let maximumDimensions = 4

  let by: [CountBy]
  let dimensions: Set<LogDimension>
  let offset: ZoneOffset

  /// Checks what a call asks for.
  init(_ request: CountLogsRequest, _ offset: @escaping ZoneOffset) throws(RPCError) {
    var checks = FieldChecks()
    checks.list(request.by.count, "by", maximum: Self.maximumDimensions)
    for by in request.by where by.dimension == nil {
      checks.note("by", "expected 1 to 11; \(by.rawValue) is another")
    }
    if Set(request.by.map(\.rawValue)).count < request.by.count {
      checks.note("by", "expected each once")
    }
    if request.by.contains(.label), request.labelKey.isEmpty {
      checks.note("label_key", "expected the key of the label to count by; it is empty")
    }
    checks.bytes(request.labelKey, "label_key", FieldRules.maximumShortTextBytes)
    guard checks.isEmpty else { throw .invalid(checks.violations) }
    by = request.by
    dimensions = Set(request.by.compactMap(\.dimension))
    self.offset = offset
  }

  /// The texts of a group's keys, in the order of the call.
  func keys(of group: LogGroupKey, _ catalogue: Catalogue) -> [String] {
    by.map { by in
      switch by {
      case .status: group.status?.name ?? ""
      case .integration: group.integration.map(catalogue.name(of:)) ?? ""
      case .action: group.actionType ?? ""
      case .agent: group.agentID ?? ""
      case .trigger: group.trigger?.name ?? ""
      case .entityType: group.entityType ?? ""
      case .label: group.label ?? ""
      case .hour: period(.hour, group)
      case .day: period(.day, group)
      case .week: period(.week, group)
      case .month: period(.month, group)
      case .unspecified, .unrecognized: ""
      }
    }
  }

  private func period(_ period: LogPeriod, _ group: LogGroupKey) -> String {
    let (ms, _) = (group.grain ?? 0).multipliedReportingOverflow(by: LogPeriod.grainMs)
    return period.name(at: Instant(milliseconds: ms), offset)
  }

  /// Whether one group stands before another: by its keys, statuses in their own order.
  func precedes(_ left: [String], _ right: [String]) -> Bool {
    for (place, by) in by.enumerated() where left[place] != right[place] {
      guard by == .status else { return left[place] < right[place] }
      let names = Status.allCases.map(\.name)
      return (names.firstIndex(of: left[place]) ?? 0) < (names.firstIndex(of: right[place]) ?? 0)
    }
    return false
  }
}

extension CountBy {
  /// The store's dimension; nil for UNSPECIFIED and for numbers that this server does not know.
  var dimension: LogDimension? {
    switch self {
    case .status: .status
    case .integration: .integration
    case .action: .action
    case .agent: .agent
    case .trigger: .trigger
    case .entityType: .entityType
    case .label: .label
    case .hour, .day, .week, .month: .time
    case .unspecified, .unrecognized: nil
    }
  }
}

extension LogTrigger {
  /// The name that users know: `REQUEST`.
  var name: String {
    switch self {
    case .request: "REQUEST"
    case .event: "EVENT"
    case .schedule: "SCHEDULE"
    case .retry: "RETRY"
    }
  }
}

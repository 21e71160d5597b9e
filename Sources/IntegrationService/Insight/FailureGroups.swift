import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime

/// Failures by action and pattern, put together from steps.
struct FailureGroups {
  /// How many records are told apart in all groups together: they take 16 bytes each.
  static let maximumEntities = 500_000

  private let maximum: Int
  private var groups: [FailureKey: FailureTally] = [:]
  private var entities = 0

  /// Groups of at most so many patterns; what has another is counted as "…" of its action.
  init(maximum: Int) { self.maximum = maximum }

  /// Takes in what a step found.
  mutating func add(_ found: [FailureKey: FailureTally]) {
    for (key, tally) in found {
      var (key, tally) = (key, tally)
      if groups[key] == nil, groups.count >= maximum { key.pattern = "…" }
      if entities >= Self.maximumEntities { tally.entities = [] }
      let before = groups[key]?.entities.count ?? 0
      groups[key, default: FailureTally()].add(tally)
      entities += (groups[key]?.entities.count ?? 0) - before
    }
  }

  /// The groups, most first.
  func response(maximum: Int, _ catalogue: Catalogue) -> GroupFailuresResponse {
    var response = GroupFailuresResponse()
    response.total = groups.values.reduce(0) { $0 + $1.logs }
    let sorted = groups.sorted { left, right in
      if left.value.logs != right.value.logs { return left.value.logs > right.value.logs }
      return (left.value.lastAt, left.key.pattern) > (right.value.lastAt, right.key.pattern)
    }
    response.groups = sorted.prefix(maximum).map { key, tally in
      var group = FailureGroup()
      group.integration = catalogue.name(of: key.integration)
      group.actionType = key.actionType
      group.pattern = key.pattern
      group.logs = tally.logs
      group.firstAt = Timestamp(tally.firstAt)
      group.lastAt = Timestamp(tally.lastAt)
      group.entities = UInt64(tally.entities.count)
      group.sampleMessage = tally.sample
      group.sampleLogIds = tally.newest.map(\.description)
      return group
    }
    return response
  }
}

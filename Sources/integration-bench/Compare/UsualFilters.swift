import IntegrationAPI
import ProtobufRuntime

/// The filters of lists, each as a person uses it, over logs that are many.
enum UsualFilters {
  /// Names, and what makes the filter of the n-th page.
  static var all: [(String, (Int) -> LogFilter)] {
    [
      ("nothing", { _ in LogFilter() }),
      ("integration", { _ in filter { $0.integrations = [Session.integration] } }),
      ("status", { _ in filter { $0.statuses = [.failed] } }),
      ("two statuses", { _ in filter { $0.statuses = [.failed, .timedOut] } }),
      ("action", { _ in filter { $0.actionTypes = ["bench_export"] } }),
      ("agent", { number in filter { $0.agentIds = ["bench-\(number % 64)"] } }),
      ("entity", { number in filter { entity(number, &$0) } }),
      ("trigger", { _ in filter { $0.triggers = [.event] } }),
      ("text", { number in filter { $0.text = "SO-20471\(number % 10)" } }),
    ]
  }

  private static func entity(_ number: Int, _ filter: inout LogFilter) {
    filter.entityType = "order"
    let digits = "\(number * 9973 % 1_000_000)"
    filter.entityIds = [String(repeating: "0", count: 7 - digits.count) + digits]
  }

  /// A filter with some fields set.
  static func filter(_ change: (inout LogFilter) -> Void) -> LogFilter {
    var filter = LogFilter()
    change(&filter)
    return filter
  }
}

import IntegrationAPI
import IntegrationClient

/// A few logs that differ from all others, stored among the first.
enum RareLogs {
  private static let count = 5
  private static let agent = "bench-rare"
  private static let action = "bench_rare"
  private static let label = ["bench": "rare"]
  private static let message = "Declined by the customs officer, form KX-90317"

  static func report(in session: Session) async throws {
    let connection = try await session.connectAgent()
    defer { connection.close() }
    let client = AgentServiceClient(channel: connection)
    var definition = ActionDefinition()
    definition.type = action
    definition.name = "Bench Rare"
    var registration = RegisterActionRequest()
    registration.agentID = Session.agentID
    registration.actions = [definition]
    _ = try await client.registerAction(registration)
    let changes: [(inout ReportLogRequest) -> Void] = [
      { $0.agentID = agent },
      { $0.report?.actionType = action },
      { $0.report?.labels = label },
      { $0.report?.statusMessage = message },
      {
        $0.report?.statusMessage = message
        $0.report?.status = .failed
      },
    ]
    for change in changes {
      for _ in 0..<count {
        var request = ReportLogRequest()
        request.agentID = "bench-1"
        var report = LogReport()
        report.logID = LogIDMaker.shared.make()
        report.sequence = 1
        report.actionType = session.target.action
        report.status = .completed
        report.statusMessage = "Exported the order to CustomSoft as SO-204711; 12 lines"
        request.report = report
        change(&request)
        _ = try await client.reportLog(request)
      }
    }
  }

  /// Filters, and how many logs each leaves.
  static var filters: [(String, LogFilter, Int)] {
    return [
      ("rare text", UsualFilters.filter { $0.text = "customs OFFICER" }, 2 * count),
      ("rare number", UsualFilters.filter { $0.text = "90317" }, 2 * count),
      ("a text that no log has", UsualFilters.filter { $0.text = "CustomSoft as SO-318204" }, 0),
      ("rare agent", UsualFilters.filter { $0.agentIds = [agent] }, count),
      ("rare action", UsualFilters.filter { $0.actionTypes = [action] }, count),
      ("label", UsualFilters.filter { $0.labels = label }, count),
      (
        "status, action and rare text",
        UsualFilters.filter {
          $0.statuses = [.failed]
          $0.actionTypes = ["bench_export"]
          $0.text = "customs officer"
        }, count
      ),
    ]
  }
}

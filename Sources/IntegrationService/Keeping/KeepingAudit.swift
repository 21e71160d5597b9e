import IntegrationStore
import RPCServer

extension IntegrationService {
  /// Enters into the audit what an operator did with the store as a whole; where that fails, what
  /// he did is done all the same.
  func note(_ action: String, _ record: AuditRecord, _ principal: Principal) async {
    let context = AuditContext(
      principal: principal.name, from: principal.identity?.address ?? "", action: action)
    do throws(StoreFailure) {
      _ = try await store.perform(
        .audited(context, .recordAudit(record)), now: ServerClock.now)
    } catch {
      configuration.log("level=warning event=not_audited action=\(action) \(error)")
    }
  }
}

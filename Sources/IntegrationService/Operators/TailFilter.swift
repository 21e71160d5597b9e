import IntegrationModel
import IntegrationStore

extension LogSelection {
  /// Whether a log is one of those selected; the same answer that the store's lists give.
  func contains(_ log: StoredLog) -> Bool {
    guard integrations.isEmpty || integrations.contains(log.integration),
      actionTypes.isEmpty || actionTypes.contains(log.actionType),
      statuses.isEmpty || statuses.contains(log.status),
      triggers.isEmpty || triggers.contains(log.trigger),
      entityType.isEmpty || entityType == log.entity.type,
      entityIDs.isEmpty || entityIDs.contains(log.entity.id),
      agentIDs.isEmpty || agentIDs.contains(log.agentID)
    else { return false }
    if let isHandled, log.isHandled != isHandled { return false }
    if let since, log.createdAt < since { return false }
    if let until, log.createdAt >= until { return false }
    guard labels.allSatisfy({ log.labels[$0.key] == $0.value }) else { return false }
    return text.isEmpty || containsText(log)
  }

  private func containsText(_ log: StoredLog) -> Bool {
    let wanted = text.lowercased()
    return log.message.lowercased().contains(wanted)
      || log.entity.displayName.lowercased().contains(wanted)
  }
}

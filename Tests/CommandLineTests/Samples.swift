import IntegrationAPI
import ProtobufRuntime

@testable import integrationctl

/// Messages as a server would send them, every field set.
enum Samples {
  static let logID = "01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37"

  static func time(secondsAgo: Int64) -> Timestamp {
    WallTime(milliseconds: Desk.now.milliseconds - secondsAgo * 1000).timestamp
  }

  static var entity: Entity {
    var entity = Entity()
    entity.type = "quote"
    entity.id = "Q-1042"
    entity.displayName = "Quote 1042"
    entity.url = "https://quotes.example/Q-1042"
    return entity
  }

  static func log(_ status: LogStatus = .failed, id: String = logID) -> ActionLog {
    var log = ActionLog()
    log.id = id
    log.integration = "customsoft"
    log.actionType = "export_quote"
    log.entity = entity
    log.status = status
    log.statusMessage = status == .failed ? "line 3 has no product; add one" : ""
    log.trigger = .request
    log.requestedBy = "operator:local"
    log.agentID = "crm-1"
    log.attempt = 2
    log.retryOf = "01938c3e-0000-7bb2-9d2e-5f0a6c1e8d37"
    log.recordsDone = 3
    log.recordsTotal = 10
    log.recordErrors = 2
    log.labels = ["region": "north", "batch": "7"]
    log.result = "{\"number\":\"C-77\"}"
    log.sequence = 4
    log.createdAt = time(secondsAgo: 60)
    log.startedAt = time(secondsAgo: 58)
    log.updatedAt = time(secondsAgo: 30)
    log.finishedAt = status.isFinal ? time(secondsAgo: 30) : nil
    return log
  }

  static var integration: Integration {
    var integration = Integration()
    integration.name = "customsoft"
    integration.displayName = "CustomSoft CRM"
    integration.category = "CRM"
    integration.author = "CustomSoft GmbH"
    integration.supportContact = "support@customsoft.example"
    integration.description = "Moves quotes to the CRM."
    integration.paused = false
    integration.health = .up
    integration.lastLogAt = time(secondsAgo: 30)
    integration.lastPhoneHomeAt = time(secondsAgo: 2)
    integration.openLogs = 1
    integration.failedLogsDay = 3
    integration.agents = 1
    integration.createdAt = time(secondsAgo: 90_000)
    integration.logs = 123
    return integration
  }

  static var agent: Agent {
    var agent = Agent()
    agent.integration = "customsoft"
    agent.agentID = "crm-1"
    agent.instanceID = "7f3a"
    agent.health = .notTakingWork
    agent.healthReason = "it phones home and 2 requests wait, but it polls nothing"
    agent.lastFrameAt = time(secondsAgo: 1)
    agent.lastPollAt = time(secondsAgo: 300)
    agent.lastProgressAt = time(secondsAgo: 400)
    agent.lastHeartbeatAt = time(secondsAgo: 1)
    agent.heartbeatIntervalMs = 5000
    agent.heldLeases = 1
    agent.connected = true
    agent.agentVersion = "2.1"
    agent.host = "crm.example"
    agent.platform = "linux-x86_64"
    agent.targetSystem = "CustomSoft CRM"
    agent.targetVersion = "9"
    agent.clockSkewMs = -2500
    agent.firstSeenAt = time(secondsAgo: 80_000)
    return agent
  }

  static var action: Action {
    var definition = ActionDefinition()
    definition.type = "export_quote"
    definition.name = "Export Quote"
    definition.entityType = "quote"
    definition.canBeRequested = true
    var action = Action()
    action.integration = "customsoft"
    action.definition = definition
    action.queued = 2
    action.override = PolicyOverride()
    action.override?.fields = ["rate_limit"]
    action.override?.rateLimit = 100
    action.lastLogAt = time(secondsAgo: 30)
    return action
  }

  static var key: Key {
    var key = Key()
    key.id = "4fG7hJ2k"
    key.integration = "customsoft"
    key.createdAt = time(secondsAgo: 90_000)
    key.expiresAt = time(secondsAgo: -90_000)
    key.revokedAt = time(secondsAgo: 5)
    key.lastUsedAt = time(secondsAgo: 2)
    key.createdBy = "operator:local"
    key.live = true
    return key
  }

  static var request: ActionRequest {
    var request = ActionRequest()
    request.log = log(.inProgress)
    request.input = "{\"force\":true}"
    request.idempotencyKey = "monday"
    request.delivery = 2
    request.holder = "crm-1"
    request.accepted = true
    request.leaseExpiresAt = time(secondsAgo: -40)
    request.notBefore = time(secondsAgo: 60)
    return request
  }

  static var logReply: GetLogResponse {
    var entry = TimelineEntry()
    entry.at = time(secondsAgo: 60)
    entry.to = .queued
    entry.principal = "operator:local"
    entry.cause = .request
    var last = TimelineEntry()
    last.at = time(secondsAgo: 30)
    last.from = .inProgress
    last.to = .failed
    last.principal = "integration:customsoft"
    last.agentID = "crm-1"
    last.cause = .report
    last.message = "line 3 has no product; add one"
    var error = RecordError()
    error.referenceID = "line 3"
    error.message = "no product"
    var reply = GetLogResponse()
    reply.log = log()
    reply.timeline = [entry, last]
    reply.errors = [error]
    reply.integration = integration
    return reply
  }
}

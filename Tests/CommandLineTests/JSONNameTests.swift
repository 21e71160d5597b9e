import TestSupport
import Testing

/// The names of JSON are a promise to scripts: a renamed or removed member fails here.
@Suite struct JSONNameTests {
  /// Each message that integrationctl can print with its members, each enum with its values.
  ///
  /// A new member is added here once it is published; nothing is ever taken away.
  static let promised = """
    Action: integration definition queued inProgress pollingAgents lastLogAt declared override
      paused pauseReason expectedBy
    ActionDefinition: type name description entityType canBeRequested notifyOnFailure
      inputSchema retry queueTimeoutMs progressTimeoutMs maximumInFlight oneOpenPerEntity
      supportsCancel revision retired
    ActionLog: id integration actionType entity status statusMessage trigger requestedBy agentId
      attempt retryOf recordsDone recordsTotal recordErrors labels result sequence createdAt
      startedAt updatedAt finishedAt handled
    ActionRequest: log input idempotencyKey delivery holder accepted leaseExpiresAt cancelWanted
      notBefore
    AddNoteResponse: log
    Agent: integration agentId instanceId health healthReason lastFrameAt lastPollAt
      lastProgressAt lastHeartbeatAt heartbeatIntervalMs heldLeases connected polling
      agentVersion host platform targetSystem targetVersion stateMessage clockSkewMs firstSeenAt
    AuditEntry: number at principal from action target before after reason
    BackUpResponse: doneBytes totalBytes done
    BulkFailure: id reason message
    CancelRequestResponse: log askedAgent
    CancelRequestsResponse: cancelled askedAgents failures nextPageToken
    ChartLogsResponse: buckets bucketMs
    CheckStoreResponse: problems databaseBytes logs durationMs
    CountLogsResponse: counts total
    CreateIntegrationResponse: integration key secret
    CreateKeyResponse: key secret
    CreateRequestResponse: log duplicate
    CreateRequestsResponse: outcomes
    CreateScheduleResponse: schedule
    CreateTokenResponse: token secret
    DeleteIntegrationResponse: deletedLogs cancelledRequests
    DrainAgentResponse: agent
    Entity: type id displayName url
    ExportDataResponse: lines
    FailureGroup: integration actionType pattern logs firstAt lastAt entities sampleMessage
      sampleLogIds
    GetActionResponse: action schedules integration
    GetAgentResponse: agent held integration
    GetIntegrationResponse: integration agents actions keys
    GetLogResponse: log timeline errors nextErrorPageToken request integration retriedBy phases
      chain
    GetRetentionResponse: rules pruning databaseBytes
    GetScheduleResponse: schedule next recent
    GetServerInfoResponse: version startedAt addresses dataDirectory schemaVersion limits
      counters principal role
    GetStatusResponse: troubles integrations queued inProgress oldestQueuedAt serverTime
    GroupFailuresResponse: groups total
    ImportDataResponse: importId lines logs integrations
    Integration: name displayName category author supportContact description paused pauseReason
      health lastLogAt lastPhoneHomeAt openLogs failedLogsDay agents createdAt logs endedLogsDay
      endedLogsDayBefore failedLogsDayBefore
    Key: id integration createdAt expiresAt revokedAt lastUsedAt createdBy live lastUsedFrom
    ListActionsResponse: actions
    ListAgentsResponse: agents
    ListAuditResponse: entries nextPageToken
    ListIntegrationsResponse: integrations nextPageToken
    ListKeysResponse: keys
    ListLogsResponse: logs nextPageToken
    ListRequestsResponse: requests nextPageToken
    ListSchedulesResponse: schedules
    ListTokensResponse: tokens
    LogBucket: start logs failed durationP50Ms durationP95Ms
    LogCount: keys logs
    LogFilter: integrations actionTypes statuses entityType entityIds agentIds triggers since
      until text labels handling
    LogPhase: kind startedAt endedAt delivery agentId
    MarkHandledResponse: log
    OperatorToken: id name role createdAt expiresAt revokedAt lastUsedAt lastUsedFrom createdBy
      live
    PauseActionResponse: action
    PauseIntegrationResponse: integration
    PauseScheduleResponse: schedule
    PlannedTime: at local
    PolicyOverride: fields retry queueTimeoutMs progressTimeoutMs maximumInFlight
      oneOpenPerEntity rateLimit ratePeriodMs canBeRequested
    PreviewScheduleResponse: times
    PruneLogsResponse: removedLogs freedBytes done
    PruningState: running startedAt endedAt removedLogs freedBytes
    RecordError: referenceId message cause retryable
    RequestItem: entity input idempotencyKey
    RequestOutcome: log duplicate failure
    ResumeActionResponse: action
    ResumeIntegrationResponse: integration
    ResumeScheduleResponse: schedule
    RetentionRule: status maximumAgeMs maximumBytes
    RetryLogResponse: log
    RetryLogsResponse: retried skipped failures nextPageToken
    RetryPolicy: maximumAttempts initialBackoffMs maximumBackoffMs multiplier
    RevealKeyResponse: key secret
    RevokeKeyResponse: key
    RevokeTokenResponse: token
    RotateKeyResponse: key secret expiring
    Schedule: name integration actionType entity input cron timeZone intervalMs overlap catchUp
      catchUpWindowMs jitterMs expiresMs paused pauseReason nextAt lastAt lastLogId lastStatus
      runs skipped createdAt createdBy lastError
    SetRetentionResponse: rules
    TailLogsResponse: log resumeToken
    TimelineEntry: at from to principal agentId cause message late
    TriggerScheduleResponse: log
    Trouble: kind integration message supportContact nextStep
    UpdateActionResponse: action
    UpdateIntegrationResponse: integration
    UpdateScheduleResponse: schedule
    CatchUp: UNSPECIFIED NONE LAST ALL
    CountBy: UNSPECIFIED STATUS INTEGRATION ACTION AGENT TRIGGER ENTITY_TYPE LABEL HOUR DAY WEEK
      MONTH
    Handling: UNSPECIFIED HANDLED
    Health: UNSPECIFIED NEVER_SEEN UP NOT_TAKING_WORK DEGRADED DRAINING PAUSED DOWN
    LogPhaseKind: UNSPECIFIED QUEUED LEASED RUNNING
    LogStatus: UNSPECIFIED QUEUED IN_PROGRESS COMPLETED FAILED CANCELLED TIMED_OUT
    Order: UNSPECIFIED NEWEST_FIRST OLDEST_FIRST
    Overlap: UNSPECIFIED SKIP QUEUE CANCEL_RUNNING
    Role: UNSPECIFIED VIEWER ADMIN
    TimelineCause: UNSPECIFIED REPORT REQUEST LEASE_EXPIRED QUEUE_TIMEOUT PROGRESS_TIMEOUT
      LEASED NOT_ACCEPTED CONNECTION_LOST AGENT_STOPPED RETRY DELIVERIES_SPENT NOTE HANDLED
      REOPENED
    Trigger: UNSPECIFIED REQUEST EVENT SCHEDULE RETRY
    """

  /// `Message: member member`, a message over several lines.
  static let messages: [(name: String, members: [String])] = {
    var messages: [(name: String, members: [String])] = []
    for line in promised.split(separator: "\n") {
      var words = line.split(separator: " ").map(String.init)
      if !line.hasPrefix(" ") { messages.append((String(words.removeFirst().dropLast()), [])) }
      messages[messages.count - 1].members += words
    }
    return messages
  }()

  /// What the generated messages encode.
  static let encoded: [String: Set<String>] = {
    var encoded: [String: Set<String>] = [:]
    let folder = "Sources/IntegrationAPI/Generated"
    for path in SourceTree.files(below: folder, [".messages.swift"]) {
      var name = ""
      for line in ((try? SourceTree.text(path)) ?? "").split(separator: "\n") {
        if let match = line.firstMatch(of: #/^public (?:struct|enum) (\w+): /#) {
          name = String(match.1)
        } else if let match = line.firstMatch(of: #/fields\.encode\(self\.\w+, "(\w+)"\)/#)
          ?? line.firstMatch(of: #/^ +case \.\w+: "([A-Z_0-9]+)"$/#)
        {
          encoded[name, default: []].insert(String(match.1))
        }
      }
    }
    return encoded
  }()

  @Test("Each promised member is still there", arguments: messages.map(\.name))
  func promises(name: String) throws {
    let promised = try #require(Self.messages.first { $0.name == name }).members
    let lost = Set(promised).subtracting(Self.encoded[name] ?? [])
    #expect(lost.isEmpty, "scripts read these of \(name): \(lost.sorted())")
    #expect(!promised.isEmpty)
  }
}

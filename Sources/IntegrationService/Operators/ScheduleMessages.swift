import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime

// Schedules as operators see them.

extension Schedule {
  /// A schedule as stored; `status` is its last log's, where that is known.
  init(_ stored: StoredSchedule, _ status: Status?, _ catalogue: Catalogue) {
    self.init()
    name = stored.name
    integration = catalogue.name(of: stored.integration)
    actionType = stored.actionType
    entity = Entity(stored.entity)
    input = stored.input
    cron = stored.cron
    timeZone = stored.timeZone
    intervalMs = stored.intervalMs
    overlap = Overlap(rawValue: Int32(stored.overlap.rawValue))
    catchUp = CatchUp(rawValue: Int32(stored.catchUp.rawValue))
    catchUpWindowMs = stored.catchUpWindowMs
    jitterMs = stored.jitterMs
    expiresMs = stored.expiresMs
    paused = stored.isPaused
    pauseReason = stored.pauseReason
    nextAt = Timestamp(stored.nextAt)
    firesAt = Timestamp(stored.fireAt)
    lastAt = Timestamp(stored.lastAt)
    lastLogID = stored.lastLog?.description ?? ""
    lastStatus = status.map { LogStatus($0) } ?? .unspecified
    runs = stored.runs
    skipped = stored.skipped
    lastError = stored.lastError
    failures = stored.failures
    createdAt = Timestamp(stored.createdAt)
    createdBy = stored.createdBy
  }
}

extension PlannedTime {
  /// A time to come, as the clocks of a zone will show it.
  init(_ time: Instant, _ zone: ZoneRules) {
    self.init()
    at = Timestamp(time)
    local = zone.localText(time)
  }
}

extension ScheduleTiming {
  /// The first times after another, at most `count`.
  func times(after start: Instant, count: Int) -> [PlannedTime] {
    var times: [PlannedTime] = []
    var time = start
    while times.count < count, let next = next(after: time) {
      times.append(PlannedTime(next, zone))
      time = next
    }
    return times
  }
}

extension StoredSchedule {
  /// What it asks for, in the form of a request, so that the same is checked.
  var asked: RequestItem {
    var asked = RequestItem()
    asked.input = input
    return asked
  }

  /// About how many bytes it takes in a reply.
  var textBytes: Int {
    400 + input.utf8.count + lastError.utf8.count + pauseReason.utf8.count + cron.utf8.count
      + entity.id.utf8.count + entity.displayName.utf8.count + entity.url.utf8.count
  }

  /// Its last log; nil: none yet.
  var lastPosition: LogPosition? {
    lastLog.map { LogPosition(logID: $0, integration: integration) }
  }
}

import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Lets times pass without a request.
  public func pauseSchedule(
    _ request: PauseScheduleRequestView, _ call: ServerCall<PauseScheduleResponse>
  ) {
    let name = request.name.string
    let reason = request.reason.string
    let principal = call.principal.name
    change(
      call,
      { () throws(RPCError) in
        var checks = FieldChecks()
        checks.bytes(reason, "reason", FieldRules.maximumMessageBytes)
        guard checks.isEmpty else { throw RPCError.invalid(checks.violations) }
        return .schedule(.pause(name: name, reason: reason, principal: principal))
      },
      { [catalogue] outcome in
        guard case .schedule(let stored) = outcome else { return nil }
        var response = PauseScheduleResponse()
        response.schedule = Schedule(stored, nil, catalogue)
        return response
      })
  }

  /// Ends a pause; times that passed meanwhile are not caught up.
  public func resumeSchedule(
    _ request: ResumeScheduleRequestView, _ call: ServerCall<ResumeScheduleResponse>
  ) {
    let name = request.name.string
    let principal = call.principal.name
    change(
      call,
      { () throws(RPCError) in
        let entry = try knownSchedule(name)
        guard let pace = entry.pace else {
          throw RPCError(.failedPrecondition, entry.problem, reason: Reason.timeZonesMissing)
        }
        // A clock that was set back does not bring times a second time.
        let now = configuration.clock()
        let first = pace.first(after: max(now, entry.stored.lastAt ?? now))
        return .schedule(
          .resume(
            name: name, nextAt: first?.time, fireAt: first?.fireAt, principal: principal))
      },
      { [catalogue] outcome in
        guard case .schedule(let stored) = outcome else { return nil }
        var response = ResumeScheduleResponse()
        response.schedule = Schedule(stored, nil, catalogue)
        return response
      })
  }

  /// Makes the request now, beside the set times.
  public func triggerSchedule(
    _ request: TriggerScheduleRequestView, _ call: ServerCall<TriggerScheduleResponse>
  ) {
    let name = request.name.string
    let principal = call.principal.name
    read(call) { [self] () async throws(RPCError) in
      if let refusal = refusal(of: try knownSchedule(name).stored) { throw refusal }
      let command = ScheduleCommand.trigger(
        name: name, logID: Self.newLogID(), principal: principal)
      var response = TriggerScheduleResponse()
      let outcome = try await commit(.schedule(command), for: call, now: configuration.clock())
      if case .requested(let log, _) = outcome { response.log = ActionLog(log, catalogue) }
      return response
    }
  }

  /// Ends a schedule; what it made stays.
  public func deleteSchedule(
    _ request: DeleteScheduleRequestView, _ call: ServerCall<DeleteScheduleResponse>
  ) {
    let name = request.name.string
    let principal = call.principal.name
    change(
      call,
      { () throws(RPCError) in .schedule(.delete(name: name, principal: principal)) },
      { outcome in
        guard case .done = outcome else { return nil }
        return DeleteScheduleResponse()
      })
  }

  /// The most times of one preview.
  private static let maximumPreview: UInt32 = 1_000
  /// The times of a preview that names no count.
  private static let defaultPreview: UInt32 = 10

  /// The next times of a schedule, or of one that is thought of.
  public func previewSchedule(
    _ request: PreviewScheduleRequestView, _ call: ServerCall<PreviewScheduleResponse>
  ) {
    let fields = request.makeMessage()
    read(call) { [self] () async throws(RPCError) in
      var checks = FieldChecks()
      if fields.count > Self.maximumPreview {
        checks.note("count", "expected at most \(Self.maximumPreview); it is \(fields.count)")
      }
      if let from = fields.from { checks.timestamp(from, "from") }
      guard checks.isEmpty else { throw .invalid(checks.violations) }
      let from = fields.from?.instant ?? configuration.clock()
      let timing = try await timing(of: fields, from: from)
      let count = fields.count == 0 ? Self.defaultPreview : fields.count
      var response = PreviewScheduleResponse()
      response.times = timing.times(after: from, count: Int(count))
      return response
    }
  }

  private func timing(
    of fields: PreviewScheduleRequest, from: Instant
  ) async throws(RPCError) -> ScheduleTiming {
    var checks = FieldChecks()
    guard fields.name.isEmpty else {
      if !fields.cron.isEmpty || !fields.timeZone.isEmpty || fields.intervalMs > 0 {
        checks.note("name", "expected either a schedule's name or cron and its zone, not both")
        throw .invalid(checks.violations)
      }
      let entry = try knownSchedule(fields.name)
      guard let timing = entry.pace?.timing else {
        throw RPCError(.failedPrecondition, entry.problem, reason: Reason.timeZonesMissing)
      }
      return timing
    }
    checks.timing(fields.cron, fields.timeZone, fields.intervalMs, prefix: "")
    guard checks.isEmpty else { throw .invalid(checks.violations) }
    guard !fields.cron.isEmpty else {
      return .interval(milliseconds: Int64(clamping: fields.intervalMs), anchor: from)
    }
    let zone = try await zone(fields.timeZone, "time_zone")
    do throws(CronProblem) {
      return .cron(CronTimes(try CronExpression(fields.cron), in: zone))
    } catch {
      throw .invalid("cron", error.description)
    }
  }
}

import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Makes requests by itself at set times.
  public func createSchedule(
    _ request: CreateScheduleRequestView, _ call: ServerCall<CreateScheduleResponse>
  ) {
    let fields = request.makeMessage().schedule ?? Schedule()
    let principal = call.principal.name
    read(call) { [self] () async throws(RPCError) in
      var fields = fields
      let integration = try known(fields.integration)
      if fields.name.isEmpty { fields.name = freeScheduleName(for: fields.actionType) }
      let now = configuration.clock()
      var stored = StoredSchedule(
        name: fields.name, integration: integration.id, actionType: fields.actionType,
        createdAt: now, createdBy: principal)
      let pace = try await check(fields, &stored)
      let first = pace.first(after: now)
      stored.nextAt = first?.time
      stored.fireAt = first?.fireAt
      var response = CreateScheduleResponse()
      response.schedule = try await change(.create(stored), for: call, now: now)
      return response
    }
  }

  /// A name that is not taken, made from an action's type.
  private func freeScheduleName(for action: String) -> String {
    let stem = String(decoding: action.utf8.prefix(120), as: UTF8.self)
    if schedules.entry(stem) == nil { return stem }
    let numbers = 2...configuration.limits.maximumSchedules + 2
    return numbers.lazy.map { "\(stem)-\($0)" }.first { schedules.entry($0) == nil } ?? stem
  }

  /// Checks what people set of a schedule, takes it over, and says how it runs.
  private func check(
    _ fields: Schedule, _ stored: inout StoredSchedule
  ) async throws(RPCError) -> SchedulePace {
    var checks = FieldChecks()
    checks.schedule(fields)
    guard checks.isEmpty else { throw .invalid(checks.violations) }
    stored.take(fields)
    if let action = catalogue.action(stored.integration, stored.actionType),
      stored.entity.type.isEmpty, !stored.entity.id.isEmpty
    {
      stored.entity.type = action.declaration.entityType
    }
    if let refusal = refusal(of: stored) { throw refusal }
    let zone = try await zone(fields.timeZone, "schedule.time_zone")
    guard let pace = SchedulePace(stored, zone: zone) else {
      throw .invalid("schedule.cron", "expected a cron expression")
    }
    return pace
  }

  /// The rules of a zone, or the error that there is none.
  func zone(_ name: String, _ field: String) async throws(RPCError) -> ZoneRules {
    do throws(ZoneFailure) {
      return try await zones.load(name)
    } catch {
      switch error {
      case .nameInvalid, .unknown: throw .invalid(field, error.message)
      case .filesMissing, .unusable:
        throw RPCError(
          .failedPrecondition, error.message, reason: Reason.timeZonesMissing,
          violations: [FieldViolation(field: field, description: error.message)])
      }
    }
  }

  /// Does a command about one schedule, and shows it as it is then.
  private func change<Response: ProtobufMessage>(
    _ command: ScheduleCommand, for call: ServerCall<Response>, now: Instant
  ) async throws(RPCError) -> Schedule {
    let outcome = try await commit(.schedule(command), for: call, now: now)
    guard case .schedule(let stored) = outcome else { return Schedule() }
    return Schedule(stored, try? await status(of: stored), catalogue)
  }

  private func status(of stored: StoredSchedule) async throws(StoreError) -> Status? {
    guard let position = stored.lastPosition else { return nil }
    return try await store.statuses([position])[position]
  }

  /// How often an update is tried anew because its schedule fired or was changed meanwhile.
  private static let maximumUpdateTries = 5

  /// Changes a schedule.
  public func updateSchedule(
    _ request: UpdateScheduleRequestView, _ call: ServerCall<UpdateScheduleResponse>
  ) {
    let message = request.makeMessage()
    read(call) { [self] () async throws(RPCError) in
      let change = message.schedule ?? Schedule()
      var response = UpdateScheduleResponse()
      for attempt in 1... {
        do throws(RPCError) {
          response.schedule = try await update(change, message.updateFields, for: call)
          break
        } catch {
          guard error.reason == "SCHEDULE_CHANGED", attempt < Self.maximumUpdateTries else {
            throw error
          }
        }
      }
      return response
    }
  }

  private func update(
    _ change: Schedule, _ names: [String], for call: ServerCall<UpdateScheduleResponse>
  ) async throws(RPCError) -> Schedule {
    let known = try knownSchedule(change.name)
    var fields = Schedule(known.stored, nil, catalogue)
    guard !names.isEmpty else {
      throw .invalid("update_fields", "expected the fields to change, at least one")
    }
    if let wrong = fields.take(names, from: change) {
      throw .invalid(
        "update_fields",
        "expected \(Schedule.updatable.joined(separator: ", ")); \"\(RPCError.shown(wrong))\" is "
          + "none of them")
    }
    let now = configuration.clock()
    var stored = known.stored
    let pace = try await check(fields, &stored)
    stored.lastError = ""
    stored.failures = 0
    if stored.isPaused {
      stored.nextAt = nil
      stored.fireAt = nil
    } else if known.pace?.timing != pace.timing || stored.nextAt == nil {
      let first = pace.first(after: max(now, stored.lastAt ?? now))
      stored.nextAt = first?.time
      stored.fireAt = first?.fireAt
    } else {
      stored.fireAt = stored.nextAt.map(pace.fireAt)
    }
    return try await self.change(
      .update(stored, from: known.stored, principal: call.principal.name), for: call, now: now)
  }

  func knownSchedule(_ name: String) throws(RPCError) -> ScheduleBook.Entry {
    guard let entry = schedules.entry(name) else {
      throw RPCError(StoreFailure.scheduleUnknown(RPCError.shown(name)))
    }
    return entry
  }

  /// Schedules with their next and last times.
  public func listSchedules(
    _ request: ListSchedulesRequestView, _ call: ServerCall<ListSchedulesResponse>
  ) {
    let name = request.integration.string
    let size = request.pageSize
    let token = request.pageToken.string
    read(call) { [self] () async throws(RPCError) in
      let limit = try Self.pageSize(size, "page_size")
      let after = try PageToken.name(token) ?? ""
      let integration = name.isEmpty ? nil : try known(name).id
      let all = schedules.all(of: integration).map(\.shown).filter { $0.name > after }
      let page = Array(all.prefix(limit))
      let shown = page.prefix(PageBudget.fitting(page, \.textBytes))
      let statuses: [LogPosition: Status]
      do throws(StoreError) {
        statuses = try await store.statuses(shown.compactMap(\.lastPosition))
      } catch {
        throw refusal(error)
      }
      var response = ListSchedulesResponse()
      response.schedules = shown.map { stored in
        Schedule(stored, stored.lastPosition.flatMap { statuses[$0] }, catalogue)
      }
      if shown.count < all.count, let last = shown.last {
        response.nextPageToken = PageToken.text(name: last.name)
      }
      return response
    }
  }

  /// How many of the next times are shown beside a schedule.
  private static let shownTimes = 5
  /// How many of its last logs.
  private static let shownRuns = 10

  /// One schedule with what it made.
  public func getSchedule(
    _ request: GetScheduleRequestView, _ call: ServerCall<GetScheduleResponse>
  ) {
    let name = request.name.string
    read(call) { [self] () async throws(RPCError) in
      let entry = try knownSchedule(name)
      let runs: [StoredLog]
      let last: Status?
      do throws(StoreError) {
        runs = try await store.scheduleRuns(entry.stored.id, limit: Self.shownRuns)
        last = try await status(of: entry.stored)
      } catch {
        throw refusal(error)
      }
      var response = GetScheduleResponse()
      response.schedule = Schedule(entry.shown, last, catalogue)
      if let timing = entry.pace?.timing {
        let start = entry.stored.nextAt?.adding(milliseconds: -1) ?? configuration.clock()
        response.next = timing.times(after: start, count: Self.shownTimes)
      }
      let count = PageBudget.fitting(runs, \.textBytes)
      response.recent = runs.prefix(count).map { ActionLog($0, catalogue) }
      return response
    }
  }
}

import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// How long logs are kept.
  public func getRetention(
    _ request: GetRetentionRequestView, _ call: ServerCall<GetRetentionResponse>
  ) {
    read(call) { [self] () async throws(RPCError) in
      let stored = try await storedRetention()
      var response = GetRetentionResponse()
      response.rules = stored.rules.map(RetentionRule.init)
      response.pruning = retention.pruning
      response.databaseBytes = stored.databaseBytes
      response.sizes = stored.sizes.map(StatusSize.init)
      return response
    }
  }

  private func storedRetention() async throws(RPCError) -> RetentionState {
    do throws(StoreError) {
      return try await store.retention()
    } catch {
      throw refusal(error)
    }
  }

  /// Changes how long logs are kept.
  public func setRetention(
    _ request: SetRetentionRequestView, _ call: ServerCall<SetRetentionResponse>
  ) {
    let rules = request.makeMessage().rules
    change(call) { () throws(RPCError) in
      .setRetention(try Self.stored(rules))
    } _: { [retention] outcome in
      guard case .retention(let rules) = outcome else { return nil }
      retention.set(rules)
      var response = SetRetentionResponse()
      response.rules = rules.map(RetentionRule.init)
      return response
    }
  }

  private static func stored(
    _ rules: [RetentionRule]
  ) throws(RPCError) -> [StoredRetentionRule] {
    var stored: [StoredRetentionRule] = []
    var violations: [FieldViolation] = []
    for (place, rule) in rules.enumerated() {
      func refuse(_ field: String, _ description: String) {
        violations.append(
          FieldViolation(field: "rules[\(place)].\(field)", description: description))
      }
      guard let status = rule.status.model, status.isFinal else {
        refuse("status", "expected COMPLETED, FAILED, CANCELLED or TIMED_OUT")
        continue
      }
      if stored.contains(where: { $0.status == status }) {
        refuse("status", "\(status.name) has a rule before this one; expected one for a status")
      }
      if rule.maximumAgeMs > ServiceLimits.longestRetentionMs {
        refuse("maximum_age_ms", "expected at most \(ServiceLimits.longestRetentionMs)")
      }
      if rule.maximumBytes > UInt64(Int64.max) {
        refuse("maximum_bytes", "expected at most \(Int64.max)")
      }
      stored.append(
        StoredRetentionRule(
          status: status, maximumAgeMs: rule.maximumAgeMs, maximumBytes: rule.maximumBytes))
    }
    guard violations.isEmpty else { throw .invalid(violations) }
    guard !stored.isEmpty else { throw .invalid("rules", "expected at least one rule") }
    return stored
  }

  /// A part of a pruning, now.
  public func pruneLogs(
    _ request: PruneLogsRequestView, _ call: ServerCall<PruneLogsResponse>
  ) {
    let (isDry, resumes) = (request.dryRun, request.resume)
    let principal = call.principal
    read(call) { [self] () async throws(RPCError) in
      if isDry { return try await countPrunable() }
      let response = try await prunePart(resumes: resumes)
      if response.removedLogs > 0 {
        let sum = ["removedLogs": "\(response.removedLogs)"]
        await note("PruneLogs", AuditRecord(target: "server", after: sum), principal)
      }
      return response
    }
  }

  /// How much the rules would remove now: by age as it is counted, by size about.
  private func countPrunable() async throws(RPCError) -> PruneLogsResponse {
    let now = ServerClock.now
    var counted: [Status: StoredStatusSize] = [:]
    var place: LogPosition?
    repeat {
      let part: PrunableCount
      do throws(StoreError) {
        part = try await store.prunable(now: now, after: place)
      } catch {
        throw refusal(error)
      }
      for size in part.sizes {
        counted[size.status, default: StoredStatusSize(status: size.status, logs: 0, bytes: 0)]
          .logs += size.logs
        counted[size.status]?.bytes += size.bytes
      }
      place = part.next
    } while place != nil
    let stored = try await storedRetention()
    var response = PruneLogsResponse()
    response.done = true
    for (rule, size) in zip(stored.rules, stored.sizes) {
      let aged = counted[rule.status] ?? StoredStatusSize(status: rule.status, logs: 0, bytes: 0)
      response.removedLogs += aged.logs
      response.freedBytes += aged.bytes
      let rest = size.bytes - min(size.bytes, aged.bytes)
      guard rule.maximumBytes > 0, rest > rule.maximumBytes, size.bytes > 0 else { continue }
      let surplus = rest - rule.maximumBytes
      response.freedBytes += surplus
      response.removedLogs += UInt64(
        (Double(surplus) / Double(size.bytes) * Double(size.logs)).rounded(.up))
    }
    return response
  }

  /// Some steps of pruning, paced as always.
  private func prunePart(resumes: Bool) async throws(RPCError) -> PruneLogsResponse {
    var response = PruneLogsResponse()
    var budget = PruneBudget()
    budget.sweeps = !resumes
    let end = ContinuousClock.now + ServiceLimits.prunePart
    repeat {
      let outcome = try await pruneStep(budget)
      budget.sweeps = false
      response.removedLogs += outcome.removedLogs
      response.freedBytes += outcome.freedBytes
      response.done = outcome.isDone
      if !outcome.isDone { try? await Task.sleep(for: Self.rest(after: outcome)) }
    } while !response.done && ContinuousClock.now < end
    return response
  }

  /// Looks whether the store is whole.
  public func checkStore(
    _ request: CheckStoreRequestView, _ call: ServerCall<CheckStoreResponse>
  ) {
    read(call) { [self] () async throws(RPCError) in
      let start = ContinuousClock.now
      let check: StoreCheck
      do throws(StoreFailure) {
        check = try await store.check()
      } catch {
        throw RPCError(error)
      }
      var response = CheckStoreResponse()
      response.problems = check.problems
      response.databaseBytes = check.databaseBytes
      response.logs = check.logs
      response.durationMs = UInt64(clamping: (ContinuousClock.now - start).wholeMilliseconds)
      storeHealth.withLock { $0.problems = check.problems.count }
      if !check.problems.isEmpty {
        configuration.log("level=error event=store_not_whole problems=\(check.problems.count)")
      }
      return response
    }
  }
}

extension RetentionRule {
  init(_ rule: StoredRetentionRule) {
    self.init()
    status = LogStatus(rule.status)
    maximumAgeMs = rule.maximumAgeMs
    maximumBytes = rule.maximumBytes
  }
}

extension StatusSize {
  init(_ size: StoredStatusSize) {
    self.init()
    status = LogStatus(size.status)
    logs = size.logs
    bytes = size.bytes
  }
}

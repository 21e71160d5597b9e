import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// How many logs there are, by what people ask for.
  public func countLogs(
    _ request: CountLogsRequestView, _ call: ServerCall<CountLogsResponse>
  ) {
    let fields = request.makeMessage()
    count(call) { [self] () async throws(RPCError) in
      let counting = try LogCounting(fields, try await offset(ofZone: fields.timeZone))
      var response = CountLogsResponse()
      guard let selection = try selection(fields.filter) else { return response }
      var aggregation = LogAggregation(selection, by: counting.dimensions)
      aggregation.labelKey = fields.labelKey
      let maximum = configuration.limits.maximumGroups
      var counts: [[String]: UInt64] = [:]
      try await aggregate(aggregation) { (groups) throws(RPCError) in
        for (group, tally) in groups {
          counts[counting.keys(of: group, catalogue), default: 0] += tally.logs
        }
        if counts.count > maximum { throw .tooManyGroups(maximum: maximum) }
      }
      response.counts = counts.sorted { counting.precedes($0.key, $1.key) }.map { keys, logs in
        var count = LogCount()
        count.keys = keys
        count.logs = logs
        return count
      }
      response.total = counts.values.reduce(0, +)
      return response
    }
  }

  /// Counts, failures and durations over time.
  public func chartLogs(
    _ request: ChartLogsRequestView, _ call: ServerCall<ChartLogsResponse>
  ) {
    let fields = request.makeMessage()
    count(call) { [self] () async throws(RPCError) in
      let offset = try await offset(ofZone: fields.timeZone)
      guard fields.buckets <= ChartScale.maximumBuckets else {
        throw .invalid(
          "buckets", "expected at most \(ChartScale.maximumBuckets); it is \(fields.buckets)")
      }
      let (filter, since, until) = try bounded(fields.filter)
      let wanted = fields.buckets == 0 ? 60 : Int(fields.buckets)
      let scale = ChartScale(since: since, until: until, about: wanted, offset)
      var tallies = [LogTally](repeating: LogTally(), count: scale.starts.count)
      if let selection = try selection(filter) {
        var aggregation = LogAggregation(selection, by: [.time])
        aggregation.wantsDurations = true
        aggregation.timeOrigin = scale.origin
        aggregation.grainMs = scale.grainMs
        try await aggregate(aggregation) { (groups) throws(RPCError) in
          for (group, tally) in groups {
            tallies[scale.bucket(ofGrain: group.grain ?? 0)].add(tally)
          }
        }
      }
      var response = ChartLogsResponse()
      response.bucketMs = UInt64(clamping: scale.bucketMs)
      response.buckets = zip(scale.starts, tallies).map { start, tally in
        var bucket = LogBucket(start: start, tally)
        bucket.localStart = LogPeriod.localTime(start, offset)
        return bucket
      }
      return response
    }
  }

  /// Failures by action and by what their messages have in common.
  public func groupFailures(
    _ request: GroupFailuresRequestView, _ call: ServerCall<GroupFailuresResponse>
  ) {
    let fields = request.makeMessage()
    count(call) { [self] () async throws(RPCError) in
      let maximum = fields.maximumGroups == 0 ? 50 : Int(fields.maximumGroups)
      guard maximum <= Int(ServiceLimits.maximumPageSize) else {
        throw .invalid(
          "maximum_groups", "expected at most \(ServiceLimits.maximumPageSize); it is \(maximum)")
      }
      var filter = fields.filter ?? LogFilter()
      if filter.statuses.isEmpty { filter.statuses = [.failed, .timedOut] }
      if filter.since == nil { filter = try bounded(filter).filter }
      var groups = FailureGroups(maximum: configuration.limits.maximumGroups)
      if let selection = try selection(filter) {
        var aggregation = LogAggregation(selection)
        aggregation.maximumRows = Self.rowsOfFailureStep
        repeat {
          let step: FailureAggregate
          do throws(StoreError) {
            step = try await store.failures(aggregation)
          } catch {
            throw refusal(error)
          }
          groups.add(step.groups)
          aggregation.after = step.next
          try await yieldBetweenSteps()
        } while aggregation.after != nil
      }
      return groups.response(maximum: maximum, catalogue)
    }
  }

  // MARK: - Steps

  /// A log with its message is read by its key and its pattern made: some three times a row's work.
  private static let rowsOfFailureStep = 1_500

  /// Answers an operator's call that reads many logs, in a task that ends with its call.
  private func count<Response: ProtobufMessage>(
    _ call: ServerCall<Response>,
    _ makeResponse: @escaping @Sendable () async throws(RPCError) -> Response
  ) {
    let token = call.token
    read(call) { [counts] () async throws(RPCError) in
      try await counts.run(token, makeResponse)
    }
  }

  /// Reads step after step; other reads come in between.
  private func aggregate(
    _ aggregation: LogAggregation,
    _ take: ([LogGroupKey: LogTally]) throws(RPCError) -> Void
  ) async throws(RPCError) {
    var aggregation = aggregation
    repeat {
      let step: LogAggregate
      do throws(StoreError) {
        step = try await store.aggregate(aggregation)
      } catch {
        throw refusal(error)
      }
      try take(step.groups)
      aggregation.after = step.next
      try await yieldBetweenSteps()
    } while aggregation.after != nil
  }

  private func yieldBetweenSteps() async throws(RPCError) {
    if Task.isCancelled {
      throw RPCError(.cancelled, "the caller is gone", reason: WireReason.callCancelled)
    }
    await Task.yield()
  }

  /// A filter with both bounds of time: the last 24 hours where it has none.
  private func bounded(
    _ filter: LogFilter?
  ) throws(RPCError) -> (filter: LogFilter, since: Instant, until: Instant) {
    var filter = filter ?? LogFilter()
    let until = filter.until?.instant ?? ServerClock.now
    let since = filter.since?.instant ?? until.adding(milliseconds: -86_400_000)
    guard since < until else {
      throw .invalid("filter.since", "expected a time before until, or before now without it")
    }
    filter.since = Timestamp(since)
    if filter.until != nil { filter.until = Timestamp(until) }
    return (filter, since, until)
  }
}

extension LogBucket {
  /// A bucket that begins at a time.
  init(start: Instant, _ tally: LogTally) {
    self.init()
    self.start = Timestamp(start)
    logs = tally.logs
    failed = tally.failed
    open = tally.open
    durationP50Ms = tally.durations.percentile(0.5)
    durationP95Ms = tally.durations.percentile(0.95)
  }
}

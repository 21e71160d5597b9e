/// What the service allows and how long it waits; each is a flag of the server.
public struct ServiceLimits: Sendable {
  /// The heartbeat interval of an agent that names none.
  ///
  /// Default 10 s.
  public var heartbeatInterval: Duration = .seconds(10)
  /// How many places there are for polls that wait, over all connections.
  ///
  /// A poll takes one, and one more for each four action types that it names; those of one
  /// integration have half of the places at most. Default 20,000, some 1 to 2 KiB each: an
  /// integration's 10,000 agents can wait, and others beside them.
  public var maximumWaitingPolls = 20_000
  /// How many agents an integration may have.
  ///
  /// Default 10,000: all of them fit into one list.
  public var maximumAgents = 10_000
  /// How many operators may tail logs at once.
  ///
  /// Default 64.
  public var maximumTails = 64
  /// How many bytes of logs may wait for the readers of all tails together.
  ///
  /// Default 64 MiB: a burst of a thousand changes for each of 64 tails. Above it the tail that has
  /// most waiting ends with SLOW_READER.
  public var maximumTailBytes = 64 << 20
  /// How many reads of the store one principal may have at work; further ones wait for these.
  ///
  /// Default 16: all counts that may run, and as many short ones beside them.
  public var maximumReads = 16
  /// How many further reads of one principal may wait for these; more get TOO_MANY_READS.
  ///
  /// Default 1,024: as many as one connection may have under way.
  public var maximumWaitingReads = 1_024
  /// How many bytes the requests of one principal's waiting reads may have together.
  ///
  /// Default 8 MiB: two of the longest messages, or a thousand filters of 8 KiB.
  public var maximumWaitingReadBytes = 8 << 20
  /// How many bytes the registrations may have that wait until their long schemas are checked, over
  /// all integrations; those of one integration have half of it.
  ///
  /// Default 32 MiB: four of the longest messages of each of two integrations.
  public var maximumWaitingSchemaBytes = 32 << 20
  /// How many long answers may be on their way from the store to their connections, over all
  /// callers; further ones wait for these.
  ///
  /// Default 4: the store's two readers have the next one while two are encoded.
  public var maximumLongAnswers = 4
  /// How many counts, charts and groups of failures may be worked out at once.
  ///
  /// Default 8: they share the store's readers with lists, a few milliseconds each in turn.
  public var maximumCounts = 8
  /// How many groups a count may have.
  ///
  /// Default 10,000: nobody reads more, and they are kept in memory until the count is done.
  public var maximumGroups = 10_000
  /// How many schedules there may be.
  ///
  /// Default 10,000: all of them are kept in memory.
  public var maximumSchedules = 10_000
  /// How many failed logins from one address are explained at once.
  ///
  /// An address is an IPv4 address, an IPv6 /64 or a user of a Unix socket. Default 10: somebody
  /// who looks for the right key does not try more.
  public var maximumFailedLogins = 10
  /// After how long one more failed login from an address is explained.
  ///
  /// Default 6 s, ten a minute.
  public var failedLoginInterval: Duration = .seconds(6)
  /// How many addresses with failed logins are told apart; all beyond share one place.
  ///
  /// Default 4,096, some 50 bytes each, for the minute in which they matter.
  public var maximumLoginAddresses = 4_096
  /// How long changes are kept for a tail that was cut off to go on.
  ///
  /// Default 10 minutes; the store's limit, which the service keeps up while somebody tails.
  public var tailJournal: Duration = .seconds(600)
  /// How many changes are kept for that; the store's limit.
  ///
  /// Default 1,000,000.
  public var tailJournalChanges: Int64 = 1_000_000
  /// How often changed agents are written to the store.
  ///
  /// Default 5 s; what an agent last said about itself is repeated with its next heartbeat, so that
  /// nothing is lost for good.
  public var agentSaveInterval: Duration = .seconds(5)

  /// How often logs are looked for that are kept no longer.
  ///
  /// Default 1 min; with nothing to do a look takes microseconds for each integration.
  public var pruneInterval: Duration = .seconds(60)

  /// The defaults.
  public init() {}
}

extension ServiceLimits {
  /// The longest wait of a poll.
  static let maximumWaitMs: UInt32 = 60_000
  /// The lease of a poll that names none.
  static let defaultLeaseMs: UInt32 = 60_000
  /// How many lease commands of one integration may be under way for polls that were cancelled
  /// before its next polls wait for these.
  ///
  /// A lease that finds nothing takes the writer some ten microseconds, and others wait for it.
  static let maximumGoneLeases = 16
  /// What a poll may ask for as its lease.
  static let leaseMs: ClosedRange<UInt32> = 1_000...3_600_000
  /// The most requests that one poll takes.
  static let maximumRequests: UInt32 = 1_000
  /// The most reports in one batch.
  static let maximumReports = 1_000
  /// The most items on one page, and the newest logs with which a tail may begin.
  static let maximumPageSize: UInt32 = 1_000
  /// The step over many that names no size.
  static let defaultBulkSize = 100
  /// The most agents that are shown with their integration; their list has all.
  static let shownAgents = 500
  /// The page of a list that names no size.
  static let defaultPageSize: UInt32 = 50
  /// What an agent may ask for as its heartbeat interval.
  static let heartbeatMs: ClosedRange<UInt32> = 1_000...300_000
  /// The longest time that logs may be kept under a rule: 100 years.
  static let longestRetentionMs: UInt64 = 3_155_760_000_000
  /// How long one call prunes before it answers how far it is.
  static let prunePart: Duration = .seconds(2)
  /// Exports and backups at a time.
  static let maximumTransfers = 4
  /// The most action types that one poll names.
  static let maximumPolledActions = 100

  /// The limits by their flags' names, as `server info` shows them.
  var described: [String: String] {
    [
      "heartbeat-interval": heartbeatInterval.flagText,
      "maximum-waiting-polls": "\(maximumWaitingPolls)",
      "maximum-agents": "\(maximumAgents)",
      "maximum-tails": "\(maximumTails)",
      "maximum-tail-bytes": "\(maximumTailBytes)",
      "maximum-reads": "\(maximumReads)",
      "maximum-waiting-reads": "\(maximumWaitingReads)",
      "maximum-waiting-read-bytes": "\(maximumWaitingReadBytes)",
      "maximum-waiting-schema-bytes": "\(maximumWaitingSchemaBytes)",
      "maximum-long-answers": "\(maximumLongAnswers)",
      "maximum-counts": "\(maximumCounts)",
      "maximum-groups": "\(maximumGroups)",
      "maximum-schedules": "\(maximumSchedules)",
      "maximum-failed-logins": "\(maximumFailedLogins)",
      "failed-login-interval": failedLoginInterval.flagText,
      "maximum-login-addresses": "\(maximumLoginAddresses)",
      "tail-journal": tailJournal.flagText,
      "tail-journal-changes": "\(tailJournalChanges)",
      "prune-interval": pruneInterval.flagText,
    ]
  }
}

extension Duration {
  /// As a flag takes it, in the largest unit that divides it: `7d`, `90s`, `250ms`.
  public var flagText: String {
    let milliseconds = wholeMilliseconds
    let units: [(name: String, milliseconds: Int64)] = [
      ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000),
    ]
    for unit in units where milliseconds >= unit.milliseconds {
      if milliseconds.isMultiple(of: unit.milliseconds) {
        return "\(milliseconds / unit.milliseconds)\(unit.name)"
      }
    }
    return milliseconds == 0 ? "0s" : "\(milliseconds)ms"
  }

  /// Whole milliseconds, cut off at what fits.
  var wholeMilliseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000)
    guard !overflow else { return seconds < 0 ? .min : .max }
    return product.addingReportingOverflow(attoseconds / 1_000_000_000_000_000).partialValue
  }
}

import IntegrationModel

extension StoreFailure {
  /// The failure that a refused transition becomes.
  public init(_ refusal: LogRefusal, log: LogID) {
    switch refusal {
    case .leaseLost:
      self.init(
        .aborted, "LEASE_LOST",
        "log \(log) is not held under this lease any more; stop work on it and poll again")
    case .leaseRequired:
      self.init(
        .failedPrecondition, "LEASE_REQUIRED",
        "log \(log) comes from a request; name the lease_token that PollRequests brought")
    case .logFinal(let status):
      self.init(
        .failedPrecondition, "LOG_FINAL",
        "log \(log) ended \(status.name); a further report is kept in its timeline as late")
    case .sequenceGap(let expected):
      self.init(
        .failedPrecondition, "SEQUENCE_GAP",
        "log \(log) expects sequence \(expected) next; send the reports before this one first")
    case .statusInvalid(let from, let to):
      self.init(
        .failedPrecondition, "STATUS_INVALID",
        "an agent's report may not take log \(log) from \(from.name) to \(to.name)")
    }
  }

  /// There is no such integration.
  public static func integrationUnknown(_ name: String) -> StoreFailure {
    StoreFailure(.notFound, "INTEGRATION_UNKNOWN", "there is no integration \(name)")
  }
  /// There is no such log.
  public static func logUnknown(_ log: LogID) -> StoreFailure {
    StoreFailure(.notFound, "LOG_UNKNOWN", "there is no log \(log)")
  }
  /// The integration never declared such an action.
  public static func actionUnknown(_ type: String) -> StoreFailure {
    StoreFailure(
      .notFound, "ACTION_UNKNOWN", "the integration declares no action \(type); register it first")
  }
  /// The disk or the database's own limit is full.
  public static let storageFull = StoreFailure(
    .resourceExhausted, "STORAGE_FULL",
    "the server's disk is full; nothing was changed, try again when space is free")
  /// The store is closed, or a write failed and it is not known what is on disk.
  public static let unavailable = StoreFailure(
    .unavailable, "STORE_CLOSED", "the store is closed; it is not known whether this was stored")
}

extension StoreFailure {
  /// There is no such schedule.
  public static func scheduleUnknown(_ name: String) -> StoreFailure {
    StoreFailure(
      .notFound, "SCHEDULE_UNKNOWN",
      "no schedule is called \"\(name)\": `integrationctl schedules list`")
  }
}

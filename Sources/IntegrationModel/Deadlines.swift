/// When the server looks at an open log again.
public enum Deadlines {
  /// The end of the queue timeout of a request that could be delivered since `available`.
  public static func queue(
    available: Instant, policy: ActionPolicy, limits: ModelLimits
  ) -> Instant {
    let timeout = policy.queueTimeoutMs == 0 ? limits.queueTimeoutMs : policy.queueTimeoutMs
    return available.adding(milliseconds: Int64(timeout))
  }

  /// The end of the progress timeout of own work that was heard of at `heard`.
  public static func progress(
    heard: Instant, policy: ActionPolicy, limits: ModelLimits
  ) -> Instant {
    let timeout =
      policy.progressTimeoutMs == 0 ? limits.progressTimeoutMs : policy.progressTimeoutMs
    return heard.adding(milliseconds: Int64(timeout))
  }

  /// The end of the time in which a holder answers; never later than its lease.
  public static func accept(leased: Instant, leaseMs: UInt32, limits: ModelLimits) -> Instant {
    leased.adding(milliseconds: Int64(min(leaseMs, limits.acceptTimeoutMs)))
  }

  /// The end of a lease whose holder's connection is gone.
  public static func grace(gone: Instant, leaseExpires: Instant, limits: ModelLimits) -> Instant {
    min(leaseExpires, gone.adding(milliseconds: Int64(limits.connectionGraceMs)))
  }
}

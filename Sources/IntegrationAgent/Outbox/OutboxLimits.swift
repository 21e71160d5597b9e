/// How much may wait in an agent's outbox while the server is away.
public struct OutboxLimits: Sendable, Equatable {
  /// The most reports; default 100,000: a day of one report a second, with some to spare.
  public var maximumReports = 100_000
  /// The most bytes of reports; default 64 MiB, so that an agent does not fill a small disk.
  public var maximumBytes = 64 << 20

  /// The default limits.
  public init() {}

  /// Limits of one's own; both are at least 1.
  public init(maximumReports: Int, maximumBytes: Int) {
    self.maximumReports = max(1, maximumReports)
    self.maximumBytes = max(1, maximumBytes)
  }
}

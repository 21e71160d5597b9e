import CommandLineOptions
import IntegrationModel
import IntegrationService
import RPCServer
import RPCWire
import SQLiteStore

/// The server's flags, each with its environment variable and default.
enum ServerFlags {
  static let data = Flag.value(
    FlagName("data", environment: "INTEGRATIOND_DATA"), .path,
    default: DefaultPaths.current.dataDirectory,
    help: "the data directory; made when it is not there")
  static let listen = Flag.list(
    FlagName("listen", environment: "INTEGRATIOND_LISTEN"), .listenAddress,
    default: [.unix(path: DefaultPaths.current.socket)],
    help: "where to take calls: unix:PATH, tcp:HOST:PORT or tcp:[IPV6]:PORT; port 0: any free one")
  static let reactors = Flag.value(
    FlagName("reactors", environment: "INTEGRATIOND_REACTORS"), .integer(1...64),
    default: RPCServerConfiguration().reactors,
    help: "how many event loops carry connections; one carries a million small calls a second")

  static let restore = Flag.optional(
    FlagName("restore", environment: "INTEGRATIOND_RESTORE"), .path.named("FILE"),
    help: "begin with a copy of this backup (integrationctl server backup); the data directory "
      + "must have no database")
  static let maximumImportBytes = Flag.value(
    FlagName("maximum-import-bytes", environment: "INTEGRATIOND_MAXIMUM_IMPORT_BYTES"),
    .byteCount((1 << 20)...(1 << 50)), default: Int(StoreLimits().maximumImportBytes),
    help: "the lines of one import; more get RESOURCE_EXHAUSTED, IMPORT_TOO_LARGE")
  static let maximumLogBytes = Flag.value(
    FlagName("maximum-log-bytes", environment: "INTEGRATIOND_MAXIMUM_LOG_BYTES"),
    .byteCount(4_096...(1 << 30)), default: ServerLog.maximumBytes,
    help: "lines that wait while nobody reads standard error; more are dropped and counted in a "
      + "line behind them")

  static let all: [any DeclaredFlag] =
    [data, restore, listen, reactors, maximumImportBytes, maximumLogBytes] + ModelFlags.all
    + ServiceFlags.all + WireFlags.all
}

/// When logs and leases end by themselves.
enum ModelFlags {
  private static let defaults = ModelLimits()
  // 45 days: within the 2^32 milliseconds that an action's own timeouts may have.
  private static let longest: ClosedRange<Duration> = .milliseconds(100)...(.seconds(3_888_000))

  static let acceptTimeout = Flag.value(
    FlagName("accept-timeout", environment: "INTEGRATIOND_ACCEPT_TIMEOUT"), .duration(longest),
    default: .milliseconds(defaults.acceptTimeoutMs),
    help: "how long a delivered request may stay unanswered before it returns to the queue")
  static let graceTime = Flag.value(
    FlagName("grace-time", environment: "INTEGRATIOND_GRACE_TIME"), .duration(longest),
    default: .milliseconds(defaults.connectionGraceMs),
    help: "how long an agent may be disconnected before its leases return to the queue")
  static let queueTimeout = Flag.value(
    FlagName("queue-timeout", environment: "INTEGRATIOND_QUEUE_TIMEOUT"), .duration(longest),
    default: .milliseconds(defaults.queueTimeoutMs),
    help: "how long a request may be queued where its action says nothing; then TIMED_OUT")
  static let progressTimeout = Flag.value(
    FlagName("progress-timeout", environment: "INTEGRATIOND_PROGRESS_TIMEOUT"),
    .duration(longest), default: .milliseconds(defaults.progressTimeoutMs),
    help: "how long a log may be in progress without a sign of life where its action says nothing")
  static let maximumDeliveries = Flag.value(
    FlagName("maximum-deliveries", environment: "INTEGRATIOND_MAXIMUM_DELIVERIES"),
    .integer(1...1_000), default: defaults.maximumDeliveries,
    help: "how often a request is delivered before it fails")
  static let maximumNotes = Flag.value(
    FlagName("maximum-notes", environment: "INTEGRATIOND_MAXIMUM_NOTES"),
    .integer(1...10_000), default: defaults.maximumNotes,
    help: "how many notes and marks of people a log keeps; more get TOO_MANY_NOTES")

  static let all: [any DeclaredFlag] = [
    acceptTimeout, graceTime, queueTimeout, progressTimeout, maximumDeliveries, maximumNotes,
  ]

  static func limits(_ arguments: Arguments) -> ModelLimits {
    var limits = ModelLimits()
    limits.acceptTimeoutMs = milliseconds(arguments[acceptTimeout])
    limits.connectionGraceMs = milliseconds(arguments[graceTime])
    limits.queueTimeoutMs = milliseconds(arguments[queueTimeout])
    limits.progressTimeoutMs = milliseconds(arguments[progressTimeout])
    limits.maximumDeliveries = arguments[maximumDeliveries]
    limits.maximumNotes = arguments[maximumNotes]
    return limits
  }

  private static func milliseconds(_ span: Duration) -> UInt32 {
    UInt32(clamping: Int64(span / .milliseconds(1)))
  }
}

/// What the service allows its callers.
enum ServiceFlags {
  private static let defaults = ServiceLimits()

  static let heartbeatInterval = Flag.value(
    FlagName("heartbeat-interval", environment: "INTEGRATIOND_HEARTBEAT_INTERVAL"),
    .duration(.seconds(1)...(.seconds(300))), default: defaults.heartbeatInterval,
    help: "how often an agent that names no interval is to phone home")
  static let maximumWaitingPolls = Flag.value(
    FlagName("maximum-waiting-polls", environment: "INTEGRATIOND_MAXIMUM_WAITING_POLLS"),
    .integer(1...1_000_000), default: defaults.maximumWaitingPolls,
    help: "how many polls may wait at once, of one integration half of them; each four action "
      + "types that a poll names count as one more; more get RESOURCE_EXHAUSTED, TOO_MANY_POLLS")
  static let maximumAgents = Flag.value(
    FlagName("maximum-agents", environment: "INTEGRATIOND_MAXIMUM_AGENTS"),
    .integer(1...1_000_000), default: defaults.maximumAgents,
    help: "how many agents an integration may have; more get RESOURCE_EXHAUSTED, TOO_MANY_AGENTS")
  static let maximumTails = Flag.value(
    FlagName("maximum-tails", environment: "INTEGRATIOND_MAXIMUM_TAILS"),
    .integer(1...10_000), default: defaults.maximumTails,
    help: "how many operators may tail logs at once; more get RESOURCE_EXHAUSTED, TOO_MANY_TAILS")
  static let maximumTailBytes = Flag.value(
    FlagName("maximum-tail-bytes", environment: "INTEGRATIOND_MAXIMUM_TAIL_BYTES"),
    .byteCount((1 << 20)...(1 << 40)), default: defaults.maximumTailBytes,
    help: "logs that wait for the readers of all tails; above it the tail that has most waiting "
      + "ends with RESOURCE_EXHAUSTED, SLOW_READER")
  static let maximumReads = Flag.value(
    FlagName("maximum-reads", environment: "INTEGRATIOND_MAXIMUM_READS"),
    .integer(1...10_000), default: defaults.maximumReads,
    help: "how many reads of one operator are worked on at once; more wait their turn, and those "
      + "whose call ends meanwhile are dropped")
  static let maximumWaitingReads = Flag.value(
    FlagName("maximum-waiting-reads", environment: "INTEGRATIOND_MAXIMUM_WAITING_READS"),
    .integer(1...1_000_000), default: defaults.maximumWaitingReads,
    help: "how many reads of one operator wait for --maximum-reads; more get TOO_MANY_READS")
  static let maximumWaitingReadBytes = Flag.value(
    FlagName("maximum-waiting-read-bytes", environment: "INTEGRATIOND_MAXIMUM_WAITING_READ_BYTES"),
    .byteCount((1 << 16)...(1 << 40)), default: defaults.maximumWaitingReadBytes,
    help: "how many bytes the requests of those reads have together; more get TOO_MANY_READS")
  static let maximumWaitingSchemaBytes = Flag.value(
    FlagName(
      "maximum-waiting-schema-bytes",
      environment: "INTEGRATIOND_MAXIMUM_WAITING_SCHEMA_BYTES"),
    .byteCount((8 << 20)...(1 << 40)), default: defaults.maximumWaitingSchemaBytes,
    help: "how many bytes the registrations have together whose long schemas wait to be checked, "
      + "those of one integration half as many; more get TOO_MANY_CALLS")
  static let maximumLongAnswers = Flag.value(
    FlagName("maximum-long-answers", environment: "INTEGRATIOND_MAXIMUM_LONG_ANSWERS"),
    .integer(1...1_000), default: defaults.maximumLongAnswers,
    help: "how many pages of logs, requests and audit are on their way to connections at once, "
      + "some 10 MiB each at most; more wait in the order of their coming")
  static let maximumPendingCommands = Flag.value(
    FlagName("maximum-pending-commands", environment: "INTEGRATIOND_MAXIMUM_PENDING_COMMANDS"),
    .integer(1_000...10_000_000), default: StoreLimits().maximumPendingCommands,
    help: "how many reports, leases and changes wait for the disk; more get STORE_BUSY, and of one "
      + "integration about half as many")
  static let maximumPendingBytes = Flag.value(
    FlagName("maximum-pending-bytes", environment: "INTEGRATIOND_MAXIMUM_PENDING_BYTES"),
    .byteCount((1 << 20)...(1 << 30)), default: StoreLimits().maximumPendingBytes,
    help: "how many bytes of text these have together; more get STORE_BUSY")
  static let maximumSchedules = Flag.value(
    FlagName("maximum-schedules", environment: "INTEGRATIOND_MAXIMUM_SCHEDULES"),
    .integer(1...1_000_000), default: defaults.maximumSchedules,
    help: "how many schedules there may be; more get RESOURCE_EXHAUSTED, TOO_MANY_SCHEDULES")
  static let maximumFailedLogins = Flag.value(
    FlagName("maximum-failed-logins", environment: "INTEGRATIOND_MAXIMUM_FAILED_LOGINS"),
    .integer(1...1_000_000), default: defaults.maximumFailedLogins,
    help: "failed logins from one address (IPv4, IPv6 /64, user of a Unix socket) that are told "
      + "why; more get UNAUTHENTICATED, TOO_MANY_FAILED_LOGINS; a right key always passes")
  static let failedLoginInterval = Flag.value(
    FlagName("failed-login-interval", environment: "INTEGRATIOND_FAILED_LOGIN_INTERVAL"),
    .duration(.milliseconds(1)...(.seconds(3_600))), default: defaults.failedLoginInterval,
    help: "after how long one more failed login from an address is told why")
  static let maximumLoginAddresses = Flag.value(
    FlagName("maximum-login-addresses", environment: "INTEGRATIOND_MAXIMUM_LOGIN_ADDRESSES"),
    .integer(1...1_000_000), default: defaults.maximumLoginAddresses,
    help: "how many addresses with failed logins are told apart; all beyond count as one")
  static let tailJournal = Flag.value(
    FlagName("tail-journal", environment: "INTEGRATIOND_TAIL_JOURNAL"),
    .duration(.seconds(60)...(.seconds(86_400))), default: defaults.tailJournal,
    help: "how long after it was cut off a tail can go on; later it gets TAIL_TOO_OLD")
  static let tailJournalChanges = Flag.value(
    FlagName("tail-journal-changes", environment: "INTEGRATIOND_TAIL_JOURNAL_CHANGES"),
    .integer(1_000...100_000_000), default: StoreLimits().tailJournalChanges,
    help: "how many changes are kept for that, 40 bytes each")

  static let maximumCounts = Flag.value(
    FlagName("maximum-counts", environment: "INTEGRATIOND_MAXIMUM_COUNTS"),
    .integer(1...1_000), default: defaults.maximumCounts,
    help: "how many counts of logs may be worked out at once; more get TOO_MANY_COUNTS")
  static let maximumGroups = Flag.value(
    FlagName("maximum-groups", environment: "INTEGRATIOND_MAXIMUM_GROUPS"),
    .integer(1...1_000_000), default: defaults.maximumGroups,
    help: "how many groups a count of logs may have; more get TOO_MANY_GROUPS")

  static let pruneInterval = Flag.value(
    FlagName("prune-interval", environment: "INTEGRATIOND_PRUNE_INTERVAL"),
    .duration(.milliseconds(100)...(.seconds(86_400))), default: defaults.pruneInterval,
    help: "how often to look for logs that retention keeps no longer (integrationctl server "
      + "retention)")

  static let all: [any DeclaredFlag] = [
    heartbeatInterval, maximumWaitingPolls, maximumAgents, maximumTails, maximumSchedules,
    maximumFailedLogins, failedLoginInterval, maximumLoginAddresses, tailJournal,
    tailJournalChanges, maximumCounts, maximumGroups, pruneInterval, maximumTailBytes,
    maximumReads, maximumWaitingReads, maximumWaitingReadBytes,
    maximumWaitingSchemaBytes, maximumLongAnswers,
    maximumPendingCommands, maximumPendingBytes,
  ]

  static func limits(_ arguments: Arguments) -> ServiceLimits {
    var limits = ServiceLimits()
    limits.heartbeatInterval = arguments[heartbeatInterval]
    limits.maximumWaitingPolls = arguments[maximumWaitingPolls]
    limits.maximumAgents = arguments[maximumAgents]
    limits.maximumTails = arguments[maximumTails]
    limits.maximumTailBytes = arguments[maximumTailBytes]
    limits.maximumReads = arguments[maximumReads]
    limits.maximumWaitingReads = arguments[maximumWaitingReads]
    limits.maximumWaitingReadBytes = arguments[maximumWaitingReadBytes]
    limits.maximumWaitingSchemaBytes = arguments[maximumWaitingSchemaBytes]
    limits.maximumLongAnswers = arguments[maximumLongAnswers]
    limits.maximumCounts = arguments[maximumCounts]
    limits.maximumGroups = arguments[maximumGroups]
    limits.pruneInterval = arguments[pruneInterval]
    limits.maximumSchedules = arguments[maximumSchedules]
    limits.maximumFailedLogins = arguments[maximumFailedLogins]
    limits.failedLoginInterval = arguments[failedLoginInterval]
    limits.maximumLoginAddresses = arguments[maximumLoginAddresses]
    limits.tailJournal = arguments[tailJournal]
    limits.tailJournalChanges = arguments[tailJournalChanges]
    return limits
  }
}

/// What peers may make the server hold or wait for.
enum WireFlags {
  private static let defaults = TransportLimits()
  private static let spans: ClosedRange<Duration> = .milliseconds(100)...(.seconds(3_600))

  static let maximumFrameBytes = Flag.value(
    FlagName("maximum-frame-bytes", environment: "INTEGRATIOND_MAXIMUM_FRAME_BYTES"),
    .byteCount(65_536...(64 << 20)), default: defaults.maximumFrameBytes,
    help: "the longest frame; a longer one ends its connection with FRAME_TOO_LONG")
  static let maximumCalls = Flag.value(
    FlagName("maximum-calls", environment: "INTEGRATIOND_MAXIMUM_CALLS"),
    .integer(1...65_536), default: defaults.maximumCallsInFlight,
    help: "the calls in flight on one connection; more get RESOURCE_EXHAUSTED, TOO_MANY_CALLS")
  static let maximumAbandonedCalls = Flag.value(
    FlagName(
      "maximum-abandoned-calls", environment: "INTEGRATIOND_MAXIMUM_ABANDONED_CALLS"),
    .integer(1...65_536), default: defaults.maximumAbandonedCalls,
    help: "reports of one connection that go on although their calls were cancelled or their time "
      + "was over; while there are as many, further ones get TOO_MANY_CALLS")
  static let maximumConnections = Flag.value(
    FlagName("maximum-connections", environment: "INTEGRATIOND_MAXIMUM_CONNECTIONS"),
    .integer(1...1_000_000), default: defaults.maximumConnections,
    help: "the open connections; more are turned away with TOO_MANY_CONNECTIONS")
  static let reservedConnections = Flag.value(
    FlagName("reserved-connections", environment: "INTEGRATIOND_RESERVED_CONNECTIONS"),
    .integer(0...65_536), default: defaults.reservedConnections,
    help: "connections beyond those for the server's own user and root on a Unix socket")
  static let keepaliveInterval = Flag.value(
    FlagName("keepalive-interval", environment: "INTEGRATIOND_KEEPALIVE_INTERVAL"),
    .duration(spans), default: defaults.keepaliveInterval,
    help: "a connection idle for this long is pinged, and closed after three of them")
  static let helloTimeout = Flag.value(
    FlagName("hello-timeout", environment: "INTEGRATIOND_HELLO_TIMEOUT"), .duration(spans),
    default: defaults.helloTimeout, help: "how long a new connection may take to say HELLO")
  static let highWaterBytes = Flag.value(
    FlagName("high-water-bytes", environment: "INTEGRATIOND_HIGH_WATER_BYTES"),
    .byteCount(4_096...(1 << 30)), default: defaults.highWaterBytes,
    help: "unsent bytes of a connection above which it is not read")
  static let maximumBufferedBytes = Flag.value(
    FlagName(
      "maximum-buffered-bytes", environment: "INTEGRATIOND_MAXIMUM_BUFFERED_BYTES"),
    .byteCount((1 << 20)...(1 << 40)), default: defaults.maximumBufferedBytes,
    help: "memory of begun frames and unsent bytes over all connections of a reactor, half of it "
      + "for one integration, operator or all before HELLO; above that connections of those that "
      + "hold most are closed with BUFFERS_FULL")
  static let frameTimeout = Flag.value(
    FlagName("frame-timeout", environment: "INTEGRATIOND_FRAME_TIMEOUT"), .duration(spans),
    default: defaults.frameTimeout,
    help: "how long a frame may take from its first byte to its last, beside the time for its "
      + "length; then its connection is closed with KEEPALIVE_TIMEOUT")
  static let frameBytesPerSecond = Flag.value(
    FlagName("frame-bytes-per-second", environment: "INTEGRATIOND_FRAME_BYTES_PER_SECOND"),
    .byteCount(64...(1 << 30)), default: defaults.frameBytesPerSecond,
    help: "how fast the bytes of a frame must come beyond --frame-timeout")
  static let hardMarkBytes = Flag.value(
    FlagName("hard-mark-bytes", environment: "INTEGRATIOND_HARD_MARK_BYTES"),
    .byteCount(65_536...(1 << 30)), default: defaults.hardMarkBytes,
    help: "unsent bytes of a connection above which it is closed with SLOW_READER")
  static let writeStallTimeout = Flag.value(
    FlagName("write-stall-timeout", environment: "INTEGRATIOND_WRITE_STALL_TIMEOUT"),
    .duration(spans), default: defaults.writeStallTimeout,
    help: "how long a peer may leave what is sent to it unread before it is closed")
  static let drainTimeout = Flag.value(
    FlagName("drain-timeout", environment: "INTEGRATIOND_DRAIN_TIMEOUT"), .duration(spans),
    default: defaults.drainTimeout,
    help: "how long calls in flight may take after SIGTERM before their connections are closed")

  static let all: [any DeclaredFlag] = [
    maximumFrameBytes, maximumCalls, maximumAbandonedCalls, maximumConnections,
    reservedConnections, keepaliveInterval, helloTimeout,
    highWaterBytes, maximumBufferedBytes, frameTimeout, frameBytesPerSecond, hardMarkBytes,
    writeStallTimeout, drainTimeout,
  ]

  static func limits(_ arguments: Arguments) -> TransportLimits {
    var limits = TransportLimits()
    limits.maximumFrameBytes = arguments[maximumFrameBytes]
    limits.maximumCallsInFlight = arguments[maximumCalls]
    limits.maximumAbandonedCalls = arguments[maximumAbandonedCalls]
    limits.maximumConnections = arguments[maximumConnections]
    limits.reservedConnections = arguments[reservedConnections]
    limits.keepaliveInterval = arguments[keepaliveInterval]
    limits.helloTimeout = arguments[helloTimeout]
    limits.highWaterBytes = arguments[highWaterBytes]
    limits.maximumBufferedBytes = arguments[maximumBufferedBytes]
    limits.frameTimeout = arguments[frameTimeout]
    limits.frameBytesPerSecond = arguments[frameBytesPerSecond]
    limits.hardMarkBytes = arguments[hardMarkBytes]
    limits.writeStallTimeout = arguments[writeStallTimeout]
    limits.drainTimeout = arguments[drainTimeout]
    return limits
  }
}

extension WireFlags {
  /// The limits as `server info` shows them.
  static func described(_ arguments: Arguments) -> [String: String] {
    [
      "maximum-frame-bytes": ByteCountText.format(arguments[maximumFrameBytes]),
      "maximum-calls": "\(arguments[maximumCalls])",
      "maximum-connections": "\(arguments[maximumConnections])",
      "reserved-connections": "\(arguments[reservedConnections])",
      "keepalive-interval": arguments[keepaliveInterval].flagText,
      "hello-timeout": arguments[helloTimeout].flagText,
      "high-water-bytes": ByteCountText.format(arguments[highWaterBytes]),
      "maximum-buffered-bytes": ByteCountText.format(arguments[maximumBufferedBytes]),
      "frame-timeout": arguments[frameTimeout].flagText,
      "frame-bytes-per-second": ByteCountText.format(arguments[frameBytesPerSecond]),
      "hard-mark-bytes": ByteCountText.format(arguments[hardMarkBytes]),
      "write-stall-timeout": arguments[writeStallTimeout].flagText,
      "drain-timeout": arguments[drainTimeout].flagText,
    ]
  }
}

extension ValueForm where Value == ListenAddress {
  /// `unix:PATH` or `tcp:HOST:PORT`.
  static var listenAddress: ValueForm {
    ValueForm(
      "ADDRESS",
      parse: { text throws(ValueProblem) in
        do throws(AddressError) {
          return try ListenAddress(text)
        } catch {
          throw ValueProblem(expected: error.expected)
        }
      },
      format: { $0.description })
  }
}

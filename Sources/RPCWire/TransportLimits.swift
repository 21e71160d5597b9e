/// What a peer may make this side hold or wait for; the same type on both sides.
public struct TransportLimits: Sendable, Hashable {
  /// Most bytes of one frame after its length field.
  ///
  /// 4 MiB: some ten times the largest message of the schema, small enough that a thousand of them
  /// do not exhaust a machine.
  public var maximumFrameBytes = 4 << 20
  /// Most bytes of a HELLO frame after its length field, as far as `maximumFrameBytes` allows.
  ///
  /// 16 KiB: many times a token and a name, and little to hold for a caller that nobody knows yet.
  public var maximumHelloBytes = 16 << 10
  /// Most calls open on one connection; more are answered RESOURCE_EXHAUSTED.
  public var maximumCallsInFlight = 1024
  /// Most calls of one connection that have ended early and whose work goes on; while there are as
  /// many, further ones that would go on are answered RESOURCE_EXHAUSTED.
  ///
  /// 16: little work, because others wait for it, and enough for a few that ran out of time.
  public var maximumAbandonedCalls = 16
  /// Most connections that a server serves; more get GOAWAY.
  ///
  /// Below it stands the limit of open descriptors, which the server raises to what the system
  /// allows; of those it keeps some for itself and for `reservedConnections`.
  public var maximumConnections = 16_384
  /// Connections beyond that for the server's own user and root on a Unix socket.
  ///
  /// So operators reach a server whose places strangers have taken; 16 are a few terminals and
  /// their scripts.
  public var reservedConnections = 16
  /// A connection that is silent this long is pinged, and closed after three of these.
  public var keepaliveInterval: Duration = .seconds(20)
  /// How long a new connection may take until its HELLO is whole.
  public var helloTimeout: Duration = .seconds(10)
  /// Unsent bytes above which a connection is not read until the peer has taken half of them.
  public var highWaterBytes = 1 << 20
  /// Unsent bytes above which the connection is closed: room for some of the longest replies.
  public var hardMarkBytes = 8 << 20
  /// Memory of begun frames and unsent bytes over all connections of one reactor; those of one
  /// principal may hold half of it, and all that have not said HELLO together as much.
  ///
  /// Above its half connections of that principal are closed, above the whole those of the
  /// principal that holds most; those first that have held something for the longest. 256 MiB: some
  /// hundred of the longest frames or replies under way at once, and far below what a small machine
  /// has; without it every connection could hold its own maximum at the same time. Half of it must
  /// have room for the longest frame.
  public var maximumBufferedBytes = 256 << 20
  /// How long a frame may take from its first byte to its last, beside what its length takes at
  /// `frameBytesPerSecond`; HELLO has `helloTimeout`.
  ///
  /// 30 s: a line that loses packets may stand still for as long.
  public var frameTimeout: Duration = .seconds(30)
  /// How fast the bytes of a frame must come beyond that.
  ///
  /// 8 KiB a second, a line of 64 kbit/s: the longest frame may take nine minutes. Web servers ask
  /// for less by default (Apache's mod_reqtimeout for 500 bytes), for pages of strangers.
  public var frameBytesPerSecond = 8 << 10
  /// How long unsent bytes may wait without the peer taking any of them.
  public var writeStallTimeout: Duration = .seconds(30)
  /// How long a connection that is being closed waits for the peer to have read the last bytes.
  public var lingerTimeout: Duration = .seconds(1)
  /// How long a draining server waits for calls in flight before it closes their connections.
  public var drainTimeout: Duration = .seconds(20)

  /// The defaults.
  public init() {}
}

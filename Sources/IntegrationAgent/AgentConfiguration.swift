import Glibc
import IntegrationClient
import RPCClient
import RPCWire

/// Where an agent connects, who it is, and its limits.
public struct AgentConfiguration: Sendable {
  /// The server's address.
  public var server: ListenAddress
  /// The integration's API key, `imk_…`.
  public var key: String
  /// Stable over restarts and unique in the integration: `[a-z0-9][a-z0-9_.-]{0,127}`.
  public var agentID: String
  /// The agent program's version.
  public var version = ""
  /// What is integrated: "CustomSoft".
  public var targetSystem = ""
  /// The version of what is integrated.
  public var targetVersion = ""
  /// Where the agent runs; default: this machine's name.
  public var host: String = Self.hostName()
  /// The file in which reports wait for the server; one for each agent id, never shared.
  public var outboxPath: String
  /// How much may wait in the outbox.
  public var outboxLimits = OutboxLimits()
  /// Whether actions of the integration that this agent does not declare are retired; default: no,
  /// because another program of the integration may serve them.
  ///
  /// Set it where this is the only one.
  public var retiresUndeclaredActions = false
  /// How many requests are worked on at once; 1 to 1,000, default 4.
  public var maximumJobs = 4
  /// How long the server waits for a sign of life before it gives a request to somebody else; it is
  /// renewed at a third of that.
  ///
  /// 1 s to 1 h, default 60 s.
  public var leaseDuration: Duration = .seconds(60)
  /// How often the agent phones home; default 15 s.
  ///
  /// The server may ask for another interval.
  public var heartbeatInterval: Duration = .seconds(15)
  /// How often the agent asks what operators want while every job slot is taken and therefore no
  /// poll is open that would bring it, and while the integration is paused; default 1 s.
  public var attentiveInterval: Duration = .seconds(1)
  /// How long one poll waits at the server; up to 60 s, default 30 s.
  public var pollWait: Duration = .seconds(30)
  /// The least time between two progress reports of one attempt; later counts replace earlier ones
  /// in between.
  ///
  /// Default 250 ms.
  public var progressInterval: Duration = .milliseconds(250)
  /// How long work that is held may go on after `stop()`; default 30 s.
  ///
  /// After that it is cancelled.
  public var drainTimeout: Duration = .seconds(30)
  /// How long the farewell may take: sending what the outbox holds, and the last heartbeat; default
  /// 5 s.
  ///
  /// What is not sent by then waits in the outbox for the next start.
  public var farewellTimeout: Duration = .seconds(5)
  /// The waits between tries to reach the server.
  public var backoff = Backoff()
  /// Receives what happens, from any thread; must not block.
  ///
  /// Default: nothing is written.
  public var onEvent: @Sendable (AgentEvent) -> Void = { _ in }

  /// Makes a configuration with the defaults.
  public init(server: ListenAddress, key: String, agentID: String, outboxPath: String) {
    self.server = server
    self.key = key
    self.agentID = agentID
    self.outboxPath = outboxPath
  }

  /// What the agent runs on, such as "linux-x86_64".
  static var platform: String {
    #if arch(x86_64)
      "linux-x86_64"
    #elseif arch(arm64)
      "linux-arm64"
    #else
      "linux"
    #endif
  }

  var clientConfiguration: ClientConfiguration {
    var client = ClientConfiguration(
      server: server,
      identity: ClientIdentity(token: key, clientName: agentID, clientVersion: version))
    client.backoff = backoff
    return client
  }

  private static func hostName() -> String {
    var name = [CChar](repeating: 0, count: 257)
    // Fails only for a buffer that is too small (gethostname(2)): Linux names have at most 64
    // bytes.
    guard unsafe gethostname(&name, 256) == 0 else { return "" }
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

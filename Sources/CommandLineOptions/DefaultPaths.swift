import Glibc

/// Where the server keeps its data and listens when nobody says otherwise; the operators' command
/// line and the server read the same answer here.
///
/// root: `/var/lib/integrationd` and `/run/integrationd.sock`. Anybody else, by the XDG base
/// directory specification: `$XDG_DATA_HOME/integrationd` (`~/.local/share/integrationd`) and
/// `$XDG_RUNTIME_DIR/integrationd.sock`, or a socket in the data directory where there is no
/// runtime directory.
public struct DefaultPaths: Sendable, Equatable {
  /// The server's data directory.
  public let dataDirectory: String
  /// The path of the server's Unix socket.
  public let socket: String

  /// The socket as an address: `unix:/run/integrationd.sock`.
  public var address: String { "unix:\(socket)" }

  /// The paths of a user with this environment.
  public init(isRoot: Bool, environment: Environment) {
    if isRoot {
      dataDirectory = "/var/lib/integrationd"
      socket = "/run/integrationd.sock"
      return
    }
    let home = environment["HOME"] ?? "/tmp"
    let data = environment["XDG_DATA_HOME"] ?? "\(home)/.local/share"
    dataDirectory = "\(data)/integrationd"
    let runtime = environment["XDG_RUNTIME_DIR"] ?? dataDirectory
    socket = "\(runtime)/integrationd.sock"
  }

  /// The paths of the user who runs this process.
  public static var current: DefaultPaths {
    DefaultPaths(isRoot: geteuid() == 0, environment: .process)
  }
}

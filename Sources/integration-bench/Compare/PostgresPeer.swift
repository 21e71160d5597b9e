import FoundationEssentials
import Glibc

/// PostgreSQL with the same row and indexes, as Debian configures it, loaded by pgbench.
struct PostgresPeer: Contestant {
  /// Rows in one transaction: 1, or many from one statement.
  let rows: Int
  /// A directory that outlives the runs, for the cluster that each run copies.
  let shared: String

  var name: String { rows == 1 ? Name.postgres : Name.postgresBatch }
  var promise: String {
    "on disk (synchronous_commit), searchable"
      + (rows == 1 ? "; one insert a transaction" : "; \(rows) rows from one statement")
  }

  /// Debian keeps the server's programs in a directory for each version.
  private static var directories: [String] {
    let parent = "/usr/lib/postgresql"
    let versions = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
    return versions.sorted().reversed().map { "\(parent)/\($0)/bin" }
  }

  private static func program(_ name: String) throws -> String {
    guard let path = Program.path(of: name, in: directories) else {
      throw BenchError(.usage, "\(name) is not installed (Debian: postgresql)")
    }
    return path
  }

  var obstacle: String? {
    for name in ["initdb", "postgres", "pgbench", "psql", "setpriv", "cp"]
    where Program.path(of: name, in: Self.directories) == nil {
      return "\(name) is not installed (Debian: postgresql)"
    }
    if geteuid() == 0, unsafe getpwnam("postgres") == nil {
      return "PostgreSQL does not run as root, and there is no user postgres"
    }
    return nil
  }

  func run(_ shape: LoadShape, in directory: String) async throws -> Sample {
    let data = try makeCluster(in: directory)
    let port = try Program.freePort()
    let command = try asOwner(
      Self.program("postgres"),
      ["-D", data, "-p", "\(port)", "-h", "127.0.0.1", "-k", ""])
    let server = try PeerServer(command.program, command.arguments, port: port, in: directory)
    try waitForQueries(port, in: directory)
    try query(port, Self.schema, in: directory)
    return try load(shape, server, in: directory)
  }

  // MARK: The server

  /// A fresh cluster; the first run makes the one that all copy.
  private func makeCluster(in directory: String) throws -> String {
    let model = shared + "/postgres"
    if unsafe access(model, F_OK) != 0 {
      try makeOwned(model)
      let initdb = try asOwner(
        Self.program("initdb"),
        ["-D", model + "/data", "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"])
      _ = try Program.output(of: initdb.program, initdb.arguments, in: shared)
    }
    let parent = directory + "/postgres"
    try makeOwned(parent)
    let copy = try asOwner(Self.program("cp"), ["-a", model + "/data", parent + "/data"])
    _ = try Program.output(of: copy.program, copy.arguments, in: directory)
    return parent + "/data"
  }

  private func makeOwned(_ path: String) throws {
    guard unsafe mkdir(path, 0o700) == 0 else { throw BenchError.system("mkdir \(path)") }
    guard geteuid() == 0, let user = unsafe getpwnam("postgres") else { return }
    guard unsafe chown(path, user.pointee.pw_uid, user.pointee.pw_gid) == 0 else {
      throw BenchError.system("chown \(path)")
    }
  }

  /// The program as the user postgres, when this one runs as root; the process id stays the same.
  private func asOwner(_ program: String, _ arguments: [String]) throws
    -> (program: String, arguments: [String])
  {
    guard geteuid() == 0 else { return (program, arguments) }
    let head = ["--reuid=postgres", "--regid=postgres", "--clear-groups", program]
    return (try Self.program("setpriv"), head + arguments)
  }

  private func waitForQueries(_ port: UInt16, in directory: String) throws {
    for attempt in 1...200 {
      do {
        try query(port, "SELECT 1", in: directory)
        return
      } catch {
        guard attempt < 200 else { throw error }
        usleep(20_000)
      }
    }
  }

  @discardableResult private func query(_ port: UInt16, _ text: String, in directory: String) throws
    -> String
  {
    try Program.output(
      of: Self.program("psql"),
      [
        "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", "\(port)",
        "-U", "postgres", "-c", text,
      ], in: directory)
  }

  // MARK: The load

  private func load(_ shape: LoadShape, _ server: PeerServer, in directory: String) throws
    -> Sample
  {
    let script = directory + "/insert.sql"
    try Data((rows == 1 ? Self.insertOne : Self.insertMany(rows)).utf8)
      .write(to: URL(filePath: script))
    let clients = min(shape.connections, 64)
    let text = try Program.output(
      of: Self.program("pgbench"),
      [
        "-n", "-M", "prepared", "-h", "127.0.0.1", "-p", "\(server.port)", "-U", "postgres",
        "-c", "\(clients)", "-j", "\(min(2, clients))", "-f", script,
        "-T", "\(Int((shape.warmup + shape.seconds).rounded(.up)))",
        "-l", "--log-prefix=\(directory)/pgbench", "postgres",
      ], in: directory)
    var sample = sample(from: directory, shape)
    guard let processed = number(after: "transactions actually processed: ", in: text) else {
      throw BenchError(.refused, "pgbench did not say what it did: \(text)")
    }
    let counted = try query(server.port, "SELECT count(*) FROM logs", in: directory)
    let stored = Int(counted.filter(\.isNumber)) ?? 0
    if stored != processed * rows {
      sample.faults.append("\(processed * rows) acknowledged, \(stored) stored")
    }
    return sample
  }

  private func number(after mark: String, in text: String) -> Int? {
    guard let found = text.firstRange(of: mark) else { return nil }
    return Int(text[found.upperBound...].prefix { $0.isNumber })
  }

  /// Reads pgbench's log.
  ///
  /// Its columns: client, number, microseconds, script, and when it ended, in seconds and
  /// microseconds. What ended within the warm-up does not count.
  private func sample(from directory: String, _ shape: LoadShape) -> Sample {
    var ends: [(at: Double, microseconds: UInt64)] = []
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    for name in names where name.hasPrefix("pgbench") {
      for line in Program.contents(of: directory + "/" + name).split(separator: "\n") {
        let columns = line.split(separator: " ")
        guard columns.count >= 6, let taken = UInt64(columns[2]),
          let seconds = Double(columns[4]), let rest = Double(columns[5])
        else { continue }
        ends.append((seconds + rest / 1e6, taken))
      }
    }
    let histogram = Histogram()
    let from = (ends.map(\.at).min() ?? 0) + shape.warmup
    let to = ends.map(\.at).max() ?? 0
    for end in ends where end.at >= from { histogram.record(nanoseconds: end.microseconds * 1000) }
    let calls = Double(histogram.count) * Double(rows)
    return Sample(
      perSecond: to > from ? calls / (to - from) : 0, latencyMs: histogram.latency)
  }

  // MARK: The row

  private static let schema = """
    CREATE TABLE logs(
      integration integer NOT NULL, id uuid NOT NULL, action integer NOT NULL,
      status smallint NOT NULL, agent integer, entity_type integer, entity_id text,
      trigger smallint NOT NULL, attempt integer NOT NULL, message text, sequence bigint NOT NULL,
      created bigint NOT NULL, started bigint, updated bigint NOT NULL, finished bigint, due bigint,
      labels bytea, result text, PRIMARY KEY(integration, id));
    CREATE INDEX ON logs(integration, status, id) WHERE status IN (1, 2);
    CREATE INDEX ON logs(integration, id) WHERE status IN (4, 6);
    CREATE INDEX ON logs(due) WHERE due IS NOT NULL;
    CREATE INDEX ON logs(integration, entity_type, entity_id, id);
    """

  private static let columns = """
    INSERT INTO logs(integration, id, action, status, agent, entity_type, entity_id, trigger,
      attempt, message, sequence, created, updated, finished)
    """

  /// A version 7 id, the time in front, as agents make them.
  private static func row(salt: String, entity: String) -> String {
    """
    1, (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
      || substr(md5((\(salt))::text), 1, 19))::uuid, 1, 3, 1, 1, (\(entity))::text, 2, 1,
      'Exported the order to CustomSoft as SO-204711; 12 lines', 1,
      (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
      (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
      (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    """
  }

  private static let insertOne = """
    \\set entity random(0, 999999)
    \\set salt random(1, 9000000000000000000)
    \(columns) VALUES (\(row(salt: ":salt", entity: ":entity")));

    """

  private static func insertMany(_ rows: Int) -> String {
    let row = row(salt: "random()", entity: "(random() * 999999)::integer")
    return "\(columns) SELECT \(row) FROM generate_series(1, \(rows));\n"
  }
}

import CommandLineOptions
import RPCWire

/// Which server a command line means, and which token goes there.
///
/// 1. `--server` and `--token`;
/// 2. `--context`, whole: neither INTEGRATION_SERVER nor INTEGRATION_TOKEN changes what the command
///    line names;
/// 3. INTEGRATION_SERVER and INTEGRATION_TOKEN;
/// 4. INTEGRATION_CONTEXT, else the current context;
/// 5. the default address, without a token.
///
/// A context's token goes to that context's server alone.
enum ServerChoice {
  /// Puts the server and the token into the arguments, in the place of their defaults.
  static func put(into arguments: inout Arguments, _ file: ContextFile) throws {
    guard arguments.source(of: GlobalFlags.context) != .commandLine else {
      return try putNamed(&arguments, file)
    }
    guard arguments.source(of: GlobalFlags.server) == .byDefault else { return }
    guard let context = try present(arguments, file) else { return }
    arguments.replace(GlobalFlags.server, with: context.server)
    if arguments.source(of: GlobalFlags.token) == .byDefault {
      arguments.replace(GlobalFlags.token, with: context.token)
    }
  }

  /// `--context NAME` stands on the line.
  private static func putNamed(_ arguments: inout Arguments, _ file: ContextFile) throws {
    let context = try find(arguments[GlobalFlags.context] ?? "", in: try file.read())
    let hasToken = arguments.source(of: GlobalFlags.token) == .commandLine
    if arguments.source(of: GlobalFlags.server) == .commandLine {
      let server = arguments[GlobalFlags.server]
      guard server == context.server || hasToken else {
        throw UsageError(
          "integrationctl \(arguments.path.joined(separator: " ")): --context \(context.name) is "
            + "\(context.server), and --server is \(server)",
          hint: "Leave one of them out. A context's token goes to its own server only; for another "
            + "one give --token.")
      }
    } else {
      arguments.replace(GlobalFlags.server, with: context.server)
    }
    if !hasToken { arguments.replace(GlobalFlags.token, with: context.token) }
  }

  private static func present(
    _ arguments: Arguments, _ file: ContextFile
  ) throws(Failure) -> ServerContext? {
    let contexts = try file.read()
    if let name = arguments[GlobalFlags.context] { return try find(name, in: contexts) }
    return contexts.current.flatMap { contexts[$0] }
  }

  /// The context of a name; when there is none, what to do.
  static func find(_ name: String, in contexts: Contexts) throws(Failure) -> ServerContext {
    if let context = contexts[name] { return context }
    let names = contexts.entries.map(\.name)
    let near = Suggestions.nearest(to: name, among: names).map { "; did you mean \($0)?" } ?? ""
    throw Failure(
      .notFound, "there is no context \(name)\(near)", reason: "CONTEXT_UNKNOWN",
      next: names.isEmpty
        ? "Add it with: integrationctl context add \(name) --server ADDRESS"
        : "See: integrationctl context list")
  }
}

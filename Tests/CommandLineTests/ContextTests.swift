import CommandLineOptions
import Foundation
import IntegrationAPI
import RPCWire
import Synchronization
import TestSupport
import Testing

@testable import integrationctl

@Suite struct ContextTests {
  let scratch: ScratchDirectory
  var path: String { scratch.file("integrationctl/contexts") }

  init() throws { scratch = try ScratchDirectory() }

  func desk(_ more: [String: String] = [:]) -> Desk {
    var desk = Desk()
    desk.environment = ["XDG_CONFIG_HOME": scratch.path].merging(more) { $1 }
    return desk
  }

  func add(_ name: String, _ server: String, _ token: String) async {
    let outcome = await desk().run(
      "context", "add", name, "--server", server, "--token", token)
    #expect(outcome.code == .done, "\(outcome.errors)")
  }

  func text() throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  func write(_ text: String, mode: Int = 0o600) throws {
    try FileManager.default.createDirectory(
      atPath: scratch.file("integrationctl"), withIntermediateDirectories: true)
    try text.write(toFile: path, atomically: false, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
  }

  /// Where a command line goes, and with which token.
  func way(_ line: [String], _ environment: [String: String] = [:]) async -> String {
    var desk = desk(environment)
    let seen = Mutex("nowhere")
    desk.connected = { address, token in seen.withLock { $0 = "\(address) \(token)" } }
    desk.server.answer(OperatorServiceMethods.getStatus, GetStatusResponse())
    let outcome = await desk.run(line)
    return outcome.code == .done ? seen.withLock { $0 } : outcome.errors
  }

  @Test("The file and its directory are for their owner alone, and lists show no token")
  func secrecy() async throws {
    await add("prod", "tcp:im.example:7300", "imo_secret")
    let manager = FileManager.default
    let file = try manager.attributesOfItem(atPath: path)
    #expect(file[.posixPermissions] as? Int == 0o600)
    let folder = try manager.attributesOfItem(atPath: scratch.file("integrationctl"))
    #expect(folder[.posixPermissions] as? Int == 0o700)
    #expect(try text().contains("token = imo_secret"))
    for line in [
      ["context", "list"], ["context", "list", "-o", "json"], ["context", "show"],
      ["context", "list", "-o", "csv"], ["context", "show", "prod", "-o", "json"],
    ] {
      let outcome = await desk().run(line)
      #expect(outcome.code == .done)
      #expect(outcome.output.contains("prod"))
      #expect(!outcome.output.contains("secret"))
    }
    #expect(try manager.contentsOfDirectory(atPath: scratch.file("integrationctl")).count == 1)
  }

  @Test("add, use, rename and remove change what they say, and refuse what is not there")
  func changes() async throws {
    await add("a", "unix:/a", "")
    await add("b", "tcp:b:1", "tb")
    #expect(try Contexts(text: text()).current == "a")
    #expect(await desk().run("context", "use", "b").code == .done)
    #expect(await desk().run("context", "rename", "b", "c").code == .done)
    var contexts = try Contexts(text: text())
    #expect(contexts.current == "c")
    #expect(contexts["c"]?.token == "tb")
    #expect(contexts["a"]?.token == nil)
    let taken = await desk().run("context", "add", "c", "--server", "unix:/x", "--token", "")
    #expect(taken.code == .refused)
    #expect(taken.errors.contains("--replace"))
    let replaced = await desk().run(
      "context", "add", "c", "--server", "unix:/x", "--token", "", "--replace")
    #expect(replaced.code == .done)
    #expect(await desk().run("context", "rename", "a", "c").code == .refused)
    let unknown = await desk().run("context", "use", "cc")
    #expect(unknown.code == .notFound)
    #expect(unknown.errors.contains("did you mean c?"))
    #expect(await desk().run("context", "remove", "c").code == .done)
    contexts = try Contexts(text: text())
    #expect(contexts.current == nil)
    #expect(contexts.entries.map(\.name) == ["a"])
    #expect(await desk().run("context", "show").code == .notFound)
  }

  @Test("Without --token it is asked for; a context with a token is not removed unasked")
  func asking() async throws {
    var desk = desk()
    desk.secret = "imo_typed"
    let added = await desk.run("context", "add", "p", "--server", "tcp:p:1")
    #expect(added.code == .done)
    #expect(added.questions == ["Token for tcp:p:1 (none: Enter): "])
    #expect(!added.output.contains("imo_typed"))
    #expect(try Contexts(text: text())["p"]?.token == "imo_typed")
    let removed = await desk.run("context", "remove", "p")
    #expect(removed.code == .usage)
    #expect(removed.errors.contains("--yes"))
    desk.secret = "two words"
    #expect(await desk.run("context", "add", "q", "--server", "tcp:p:1").code == .usage)
    #expect(await desk.run("context", "add", "q").errors.contains("--server is missing"))
  }

  @Test(
    "What is said last decides: flags, --context, the environment, the current context",
    arguments: [
      (["status"], [:], "tcp:cur:1 tcur"),
      (["status", "--token", "t"], [:], "tcp:cur:1 t"),
      (["status", "--context", "b"], [:], "tcp:b:1 tb"),
      (["status", "-c", "b", "--token", "t"], [:], "tcp:b:1 t"),
      (["status", "-c", "b", "-s", "tcp:b:1"], [:], "tcp:b:1 tb"),
      (["status", "-c", "b", "-s", "tcp:x:1", "--token", "t"], [:], "tcp:x:1 t"),
      (["status", "-s", "tcp:x:1"], [:], "tcp:x:1 "),
      (["status"], ["INTEGRATION_SERVER": "tcp:e:1"], "tcp:e:1 "),
      (["status"], ["INTEGRATION_TOKEN": "te"], "tcp:cur:1 te"),
      (["status"], ["INTEGRATION_CONTEXT": "b"], "tcp:b:1 tb"),
      (["status"], ["INTEGRATION_CONTEXT": "b", "INTEGRATION_SERVER": "tcp:e:1"], "tcp:e:1 "),
      (
        ["status", "-c", "b"], ["INTEGRATION_SERVER": "tcp:e:1", "INTEGRATION_TOKEN": "te"],
        "tcp:b:1 tb"
      ),
    ] as [([String], [String: String], String)])
  func precedence(line: [String], environment: [String: String], expected: String) async {
    await add("cur", "tcp:cur:1", "tcur")
    await add("b", "tcp:b:1", "tb")
    #expect(await way(line, environment) == expected)
  }

  @Test("A context's token never goes to another server unless a token is named")
  func tokensStay() async {
    await add("b", "tcp:b:1", "tb")
    let refused = await way(["status", "-c", "b", "-s", "tcp:x:1"])
    #expect(refused.contains("--context b is tcp:b:1, and --server is tcp:x:1"))
    #expect(refused.contains("give --token"))
  }

  @Test("A file that others can read is refused, with the command that closes it")
  func openFile() async throws {
    for mode in [0o644, 0o640, 0o620] {
      try write("[a]\nserver = unix:/a\n", mode: mode)
      let outcome = await desk().run("status")
      #expect(outcome.code == .refused)
      #expect(outcome.errors.contains("chmod 600 \(path)"))
    }
    // Who names the server does not need the file.
    #expect(await way(["status", "-s", "unix:/x"]) == "unix:/x ")
  }

  @Test(
    "A broken file is refused with the line, and is not written over",
    arguments: [
      ("server = unix:/a\n", 1), ("[a]\n", 1), ("[a]\nserver = nowhere\n", 2),
      ("[a]\nserver = unix:/a\ntokn = x\n", 3),
      ("[a]\nserver = unix:/a\n[a]\nserver = unix:/b\n", 3),
      ("current = b\n[a]\nserver = unix:/a\n", 1), ("[A B]\n", 1), ("# fine\n\nwhat\n", 3),
      ("[a]\nserver = unix:/a\nserver = unix:/b\n", 3),
    ])
  func broken(text: String, line: Int) async throws {
    try write(text)
    let outcome = await desk().run("status")
    #expect(outcome.code == .refused)
    #expect(outcome.errors.contains("line \(line): "), "\(outcome.errors)")
    #expect(outcome.errors.contains("Put the line right"))
    let added = await desk().run("context", "add", "n", "--server", "unix:/n", "--token", "")
    #expect(added.code == .refused)
    #expect(try self.text() == text)
  }

  @Test("Without XDG_CONFIG_HOME and HOME there are no contexts, and none can be added")
  func noHome() async {
    var desk = Desk()
    desk.server.answer(OperatorServiceMethods.getStatus, GetStatusResponse())
    #expect(await desk.run("status").code == .done)
    let added = await desk.run("context", "add", "a", "--server", "unix:/a", "--token", "")
    #expect(added.code == .refused)
    #expect(added.errors.contains("neither XDG_CONFIG_HOME nor HOME is set"))
    desk.environment = ["HOME": scratch.file("home")]
    #expect(
      await desk.run("context", "add", "a", "--server", "unix:/a", "--token", "").code == .done)
    #expect(
      FileManager.default.fileExists(atPath: scratch.file("home/.config/integrationctl/contexts")))
  }

  @Test("What is written is what is read", arguments: 0...3)
  func roundTrip(count: Int) throws {
    var contexts = Contexts()
    for number in 0..<count {
      contexts.entries.append(
        ServerContext(
          name: "c\(number)", server: .tcp(host: "h", port: UInt16(number + 1)),
          token: number.isMultiple(of: 2) ? "t=\(number)" : nil))
    }
    contexts.current = contexts.entries.last?.name
    #expect(try Contexts(text: contexts.text) == contexts)
  }

  @Test("Contexts are completed with their servers")
  func completion() async {
    await add("prod", "tcp:im.example:7300", "t")
    let outcome = await desk().run(CompletionShell.request, "zsh", "status", "--context", "")
    #expect(outcome.output == ":\nprod\ttcp:im.example:7300\n")
  }
}

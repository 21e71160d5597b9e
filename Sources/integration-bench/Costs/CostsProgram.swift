import CommandLineOptions
import FoundationEssentials
import Glibc

/// The flags of `costs` alone.
struct CostsOptions {
  let works = Flag.commaList(
    FlagName("works"), .text.named("WORK"), help: "which works; without it all of them")

  var command: Command {
    Command(
      "costs", "instructions, allocations and system calls of one call, under valgrind",
      flags: [works]
    )
    .withDiscussion(
      """
      Runs the server twice for each work under valgrind's callgrind, with few calls and with \
      many, and shows the difference for each call: counts, which do not depend on how fast or \
      busy the machine is. Works: \(CostedWork.all.map(\.name).joined(separator: ", ")).
      """
    )
    .withExamples([CommandExample("integration-bench costs --output json", "all works, as JSON")])
  }
}

/// Runs `costs` from its command line.
struct CostsProgram {
  private let named: [String]
  private let scratch: String
  private let output: OutputForm

  init(_ options: CostsOptions, _ bench: BenchOptions, _ arguments: Arguments) {
    named = arguments[options.works]
    scratch = arguments[bench.scratch]
    output = arguments[bench.output]
  }

  func run() async throws -> Bool {
    for name in named where !CostedWork.all.contains(where: { $0.name == name }) {
      let known = CostedWork.all.map(\.name).joined(separator: ", ")
      throw BenchError(.usage, "expected works of \(known); there is no \(name)")
    }
    let directory = try Program.makeDirectory(below: scratch)
    defer { Program.removeDirectory(directory) }
    StartedPrograms.endOnSignals(removing: directory)
    let profiler = try Profiler(directory: directory)
    var costs: [CallCosts] = []
    for work in CostedWork.all where named.isEmpty || named.contains(work.name) {
      StandardStream.error.write("\(work.title)\n")
      let few = try await profiler.profile(work, calls: work.few)
      let many = try await profiler.profile(work, calls: work.many)
      costs.append(CallCosts(work, many.minus(few)))
    }
    StandardStream.output.write(output == .table ? CallCosts.table(costs) : try json(costs))
    return true
  }

  private func json(_ costs: [CallCosts]) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    return String(decoding: try encoder.encode(costs), as: UTF8.self) + "\n"
  }
}

/// Servers under callgrind.
struct Profiler {
  private let directory: String
  private let valgrind: String
  private let server: String

  init(directory: String) throws {
    self.directory = directory
    valgrind = try Self.program("valgrind", package: "valgrind")
    // Valgrind reads no debugging data as new as this compiler's; names of functions stay.
    server = directory + "/integrationd"
    let strip = try Self.program("strip", package: "binutils")
    _ = try Program.output(
      of: strip, ["--strip-debug", "-o", server, OwnServer.executable()], in: directory)
    // Otherwise hash tables are in another order in each run.
    unsafe setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
  }

  private static func program(_ name: String, package: String) throws -> String {
    guard let path = Program.path(of: name) else {
      throw BenchError(.usage, "\(name) is not installed (Debian: \(package))")
    }
    return path
  }

  /// The profile of a server that took `calls` calls of a work, from its start to its end.
  func profile(_ work: CostedWork, calls: UInt64) async throws -> CallgrindProfile {
    let file = directory + "/callgrind.out"
    removeFile(file)
    let launcher = [
      valgrind, "--tool=callgrind", "--callgrind-out-file=\(file)", "--collect-systime=yes",
      // Threads take turns, so that no wake-up waits for luck.
      "--fair-sched=yes", server,
    ]
    let session = try await Session(
      Session.Options(
        server: nil, token: "", operatorAddress: nil, scratch: directory, launcher: launcher))
    try await work.run(calls, on: session)
    session.end()
    guard let profile = CallgrindProfile(Program.contents(of: file)) else {
      throw BenchError(.refused, "callgrind wrote no profile: \(file)")
    }
    return profile
  }
}

import CommandLineOptions
import FoundationEssentials
import Glibc

/// Runs `compare` from its command line.
struct CompareProgram {
  private let arguments: Arguments
  private let options: CompareOptions
  private let scratch: String
  private let output: OutputForm
  private let warmup: Double
  private let seconds: Double

  init(_ options: CompareOptions, _ bench: BenchOptions, _ arguments: Arguments) {
    self.options = options
    self.arguments = arguments
    scratch = arguments[bench.scratch]
    output = arguments[bench.output]
    warmup =
      arguments.isGiven(bench.warmup)
      ? Double(arguments[bench.warmup]) : CompareOptions.usualWarmup
    seconds =
      arguments.isGiven(bench.seconds)
      ? Double(arguments[bench.seconds]) : CompareOptions.usualSeconds
  }

  /// Returns whether all results were right; goals that were missed are no fault.
  func run() async throws -> Bool {
    let named = try wanted()
    let growth = Growth(named: named)
    let names = named.union(growth.works)
    Native.raiseDescriptorLimit()
    let directory = try Program.makeDirectory(below: scratch)
    defer { Program.removeDirectory(directory) }
    StartedPrograms.endOnSignals(removing: directory)
    let works = ComparedWorks(
      programs: arguments[options.peers], shared: directory, warmup: warmup, seconds: seconds)
    let progress: (String) -> Void = { StandardStream.error.write($0) }
    let comparison = Comparison(
      works: works.all.filter { names.contains($0.name) }, rounds: arguments[options.rounds],
      directory: directory, progress: progress)
    var report = ComparisonReport(
      rounds: arguments[options.rounds], seconds: seconds, warmup: warmup,
      works: await comparison.run())
    report.onlyGrowing = growth.works.subtracting(named)
    report.figures = await OwnFigures(directory: directory, seconds: seconds, progress: progress)
      .run(names)
    report.growth = await growth.run(
      report.works, LogGrowth(directory: directory, seconds: seconds, progress: progress))
    StandardStream.output.write(output == .table ? report.table : try report.json())
    if let path = arguments[options.json] { try write(report.json(), to: path) }
    if let path = arguments[options.svg] {
      try write(ComparisonChart(report: report).svg, to: path)
    }
    return report.isRight
  }

  private func wanted() throws -> Set<String> {
    let given = arguments[options.works]
    let usual = ComparedWorks.usual + OwnFigures.names
    guard !given.isEmpty else { return Set(usual) }
    let known = usual + ComparedWorks.onRequest + OwnFigures.onRequest + Growth.names
    for name in given where !known.contains(name) {
      throw BenchError(
        .usage, "expected works of \(known.joined(separator: ", ")); there is no \(name)")
    }
    return Set(given)
  }

  private func write(_ text: String, to path: String) throws {
    do {
      try Data(text.utf8).write(to: URL(filePath: path))
    } catch {
      throw BenchError(.refused, "cannot write \(path): \(error)")
    }
  }
}

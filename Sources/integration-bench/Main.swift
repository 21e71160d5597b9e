import CommandLineOptions
import Glibc
import RPCWire

@main enum Main {
  static func main() async {
    signal(SIGPIPE, SIG_IGN)
    let options = BenchOptions()
    let program = CommandLineProgram(options.command)
    let arguments = program.parseOrExit()
    do {
      if arguments.path == ["compare"] {
        exit(try await CompareProgram(options.compare, options, arguments).run() ? 0 : 1)
      }
      if arguments.path == ["costs"] {
        exit(try await CostsProgram(options.costs, options, arguments).run() ? 0 : 1)
      }
      let measurements = try await Benchmarks(options, arguments).run()
      StandardStream.output.write(arguments[options.output].text(measurements))
      exit(measurements.allSatisfy { $0.faults.isEmpty && $0.failures == 0 } ? 0 : 1)
    } catch let error as BenchError {
      StandardStream.error.write("integration-bench: \(error)\n")
      exit(error.kind.rawValue)
    } catch {
      StandardStream.error.write("integration-bench: \(error)\n")
      exit(BenchError.Kind.refused.rawValue)
    }
  }
}

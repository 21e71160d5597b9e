import CommandLineOptions
import Glibc

@main enum Main {
  static func main() async {
    StandardStream.reserveClosedDescriptors()
    // A closed pipe is an outcome of the write, and Ctrl-C ends the program with its own code; each
    // line is written by one call, so that nothing is cut in the middle.
    signal(SIGPIPE, SIG_IGN)
    Interrupts.install()
    let program = OperatorProgram(environment: .process, console: .process(environment: .process))
    exit(await program.run(Array(CommandLine.arguments.dropFirst())).rawValue)
  }
}

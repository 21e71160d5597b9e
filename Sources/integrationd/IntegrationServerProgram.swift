import CommandLineOptions
import Credentials
import Dispatch
import Glibc
import IntegrationService
import IntegrationStore
import RPCServer
import RPCTransport
import RPCWire
import SQLiteStore

/// The server program.
@main
enum IntegrationServerProgram {
  /// Exit code when the server cannot start.
  static let cannotStart: Int32 = 1
  /// Exit code when the store has failed: EX_SOFTWARE of sysexits.h, so that a supervisor can tell
  /// it from a wrong start and restarts it.
  static let storeFailed: Int32 = 70

  static let commandLine = CommandLineProgram(
    Command("integrationd", "the Integration Manager's server", flags: ServerFlags.all)
      .withDiscussion(
        """
        Keeps everything in one data directory and takes calls from agents and operators. SIGTERM \
        and SIGINT let calls in flight finish and end with 0; a second one ends at once.
        Operators call over the Unix socket as the server's own user or root; everybody else shows \
        an API key.
        """
      )
      .withExamples([
        CommandExample("integrationd", "the default data directory and socket"),
        CommandExample(
          "integrationd --data /srv/integration --listen unix:/run/integrationd.sock "
            + "--listen tcp:0.0.0.0:7300",
          "for operators on this machine and agents everywhere"),
      ]))

  /// The main thread only waits: an asynchronous main would end it in `dispatchMain`, whose wait
  /// for signals valgrind 3.19 does not survive, and costs are measured under valgrind.
  static func main() {
    ProcessMemory.keepLittle()
    let arguments = commandLine.parseOrExit()
    signal(SIGPIPE, SIG_IGN)
    let ended = DispatchSemaphore(value: 0)
    Task.detached {
      await run(arguments)
      ended.signal()
    }
    ended.wait()
  }

  private static func run(_ arguments: Arguments) async {
    let log = ServerLog(maximumBytes: arguments[ServerFlags.maximumLogBytes])
    do {
      let program = try await RunningServer.start(arguments, log: log)
      let signals = program.watchSignals()
      log.ready(
        version: ProductVersion.text, directory: arguments[ServerFlags.data],
        addresses: program.addresses)
      await program.runUntilStopped()
      log.line("level=info event=stopped")
      log.flush()
      signals.cancel()
    } catch {
      log.fatal("\(error)")
      exit(cannotStart)
    }
  }
}

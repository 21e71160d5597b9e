import Glibc
import IntegrationAPI
import RPCWire

/// An `integrationd` that is stopped and started again on the same data.
final class KeptServer {
  let process: ChildProcess
  let address: ListenAddress
  let operatorAddress: ListenAddress
  /// From the start of the program to its ready line.
  let startMilliseconds: Double

  init(in directory: String) throws {
    let log = directory + "/server.log"
    removeFile(log)
    let socket = directory + "/kept.sock"
    let start = ContinuousClock.now
    let process = try ChildProcess(
      OwnServer.executableDirectory + "/integrationd",
      [
        "--data", directory + "/data", "--listen", "unix:\(socket)", "--listen", "tcp:127.0.0.1:0",
      ], errorFile: log)
    self.process = process
    var found: ListenAddress?
    while found == nil, process.isRunning, ContinuousClock.now - start < .seconds(60) {
      usleep(200)
      let words = readFile(log).split(whereSeparator: { " ,\n".contains($0) })
      guard words.contains("ready"), let word = words.first(where: { $0.hasPrefix("tcp:") })
      else { continue }
      found = try? ListenAddress(String(word))
    }
    let taken = ContinuousClock.now - start
    guard let found else {
      process.stop()
      throw BenchError(.unreachable, "integrationd is not ready: \(readFile(log))")
    }
    startMilliseconds = taken / .milliseconds(1)
    address = found
    operatorAddress = .unix(path: socket)
  }

  deinit { process.stop() }
}

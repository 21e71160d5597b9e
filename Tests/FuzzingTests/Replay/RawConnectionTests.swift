import Foundation
import Glibc
import RPCInProcess
import RPCWire
import Synchronization
import TestSupport
import Testing

@Suite struct RawConnectionTests {
  @Test("A wait that a signal interrupts goes on", .limit(minutes: 1))
  func interrupted() async throws {
    let (end, channel) = InProcessChannel.makePair()
    var connection = RawConnection(adopting: try #require(channel.takeDescriptor()))
    // As libFuzzer's alarm clock does, which begins nothing anew.
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in }
    sigaction(SIGUSR2, &action, nil)
    // Dispatch's threads take no signals.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGUSR2)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    let waiter = SentThread(
      handle: pthread_self(),
      place: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self"))
    let sender = Task.detached {
      for _ in 0..<20 {
        while !waiter.sleeps { sched_yield() }
        pthread_kill(waiter.handle, SIGUSR2)
      }
      let pong = FrameHeader(.pong).frame([])
      _ = pong.withUnsafeBytes { send(end, $0.baseAddress!, $0.count, 0) }
    }
    let frame = try connection.nextFrame(withinMs: 20_000)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    #expect(frame?.0.kind == FrameKind.pong.rawValue)
    await sender.value
    close(end)
  }
}

private struct SentThread: @unchecked Sendable {
  // Named only, to send it a signal; it waits until that is done.
  let handle: pthread_t
  /// Its folder below /proc.
  let place: String

  /// Whether it waits in the system, from /proc (proc(5)).
  var sleeps: Bool {
    let text = try? String(contentsOfFile: "/proc/\(place)/stat", encoding: .utf8)
    return text?.split(separator: ")").last?.hasPrefix(" S") ?? true
  }
}

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
    let waiter = SentThread(thread: pthread_self())
    let sender = Task.detached {
      for _ in 0..<1_000 {
        pthread_kill(waiter.thread, SIGUSR2)
        sched_yield()
      }
      let pong = FrameHeader(.pong).frame([])
      _ = pong.withUnsafeBytes { send(end, $0.baseAddress!, $0.count, 0) }
    }
    let frame = try connection.nextFrame(withinMs: 20_000)
    #expect(frame?.0.kind == FrameKind.pong.rawValue)
    await sender.value
    close(end)
  }
}

private struct SentThread: @unchecked Sendable {
  // Named only, to send it a signal; it waits until that is done.
  let thread: pthread_t
}

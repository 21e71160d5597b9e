import Synchronization
import Testing

@testable import RPCServer

@Suite struct StreamStateTests {
  @Test("A stream waits for a reactor that has not taken its messages, whatever the credit")
  func underWay() {
    let state = StreamState()
    let wakeUps = Mutex(0)
    state.setReady { wakeUps.withLock { $0 += 1 } }
    state.addCredit(100)
    let half = StreamState.maximumBytesUnderWay / 2
    #expect(state.takeCredit(half) == .sent)
    #expect(state.takeCredit(half) == .sent)
    #expect(state.takeCredit(1) == .noCredit)
    state.addCredit(100)
    #expect(wakeUps.withLock(\.self) == 0)
    state.taken(half)
    #expect(wakeUps.withLock(\.self) == 1)
    #expect(state.takeCredit(1) == .sent)
    state.taken(half)
    #expect(wakeUps.withLock(\.self) == 1)
  }
}

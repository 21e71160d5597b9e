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
    #expect(state.takeCredit(half).outcome == .sent)
    #expect(state.takeCredit(half).outcome == .sent)
    #expect(state.takeCredit(1).outcome == .noCredit)
    state.addCredit(100)
    #expect(wakeUps.withLock(\.self) == 0)
    state.taken(half)
    #expect(wakeUps.withLock(\.self) == 1)
    #expect(state.takeCredit(1).outcome == .sent)
    state.taken(half)
    #expect(wakeUps.withLock(\.self) == 1)
  }

  @Test("A message is behind those that the reactor has not taken yet")
  func behind() {
    let state = StreamState()
    state.addCredit(100)
    #expect(!state.takeCredit(0).isBehind)
    #expect(state.takeCredit(0).isBehind)
    state.taken(0)
    #expect(state.takeCredit(0).isBehind)
    state.taken(0)
    state.taken(0)
    #expect(!state.takeCredit(0).isBehind)
    #expect(state.end())
    #expect(state.takeCredit(0).outcome == .ended)
    state.taken(0)
    #expect(!state.end())
  }
}

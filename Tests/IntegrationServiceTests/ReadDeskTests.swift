import RPCServer
import Synchronization
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Reads of the store take turns")
struct ReadDeskTests {
  /// Work that waits until the test lets it end, and who has begun.
  final class Works: Sendable {
    struct State {
      var begun: [UInt64] = []
      var held: [CheckedContinuation<Void, Never>] = []
    }
    let state = Mutex(State())

    var begun: [UInt64] { state.withLock { $0.begun } }

    func work(_ call: UInt64) async {
      await withCheckedContinuation { continuation in
        state.withLock {
          $0.begun.append(call)
          $0.held.append(continuation)
        }
      }
    }

    func endAll() {
      let held = state.withLock { state in
        defer { state.held = [] }
        return state.held
      }
      for continuation in held { continuation.resume() }
    }
  }

  private func token(_ call: UInt64) -> CallToken { CallToken(connectionBits: 1, callBits: call) }

  private func run(_ desk: ReadDesk, _ works: Works, _ calls: ClosedRange<UInt64>, of name: String)
  {
    for call in calls { desk.run(token(call), of: name) { await works.work(call) } }
  }

  @Test("One who asks for much waits behind itself, another does not")
  func lines() async throws {
    let desk = ReadDesk(maximum: 2)
    let works = Works()
    run(desk, works, 1...5, of: "a")
    run(desk, works, 11...12, of: "b")
    try await eventually("each has its part") {
      works.begun.sorted() == [1, 2, 11, 12] ? true : nil
    }
    #expect(desk.waitingCount == 3)
    works.endAll()
    try await eventually("the next begin") { works.begun.count == 6 ? true : nil }
    #expect(works.begun[4...].sorted() == [3, 4])
    works.endAll()
    try await eventually("the last one begins") { works.begun.last == 5 ? true : nil }
    works.endAll()
    #expect(desk.waitingCount == 0)
  }

  @Test("Reads stand behind calls where processors are short")
  func priority() async throws {
    let desk = ReadDesk(maximum: 1)
    let priority = Mutex<TaskPriority?>(nil)
    desk.run(token(1), of: "a") { priority.withLock { $0 = Task.currentPriority } }
    try await eventually("it has run") {
      priority.withLock { $0 == .background ? true : nil }
    }
  }

  @Test("A call joins a line in place: who waits is not copied for it")
  func longLine() async throws {
    let desk = ReadDesk(maximum: 1)
    let works = Works()
    run(desk, works, 1...1, of: "a")
    var moves = 0
    var last: Int?
    for call: UInt64 in 2...2_001 {
      run(desk, works, call...call, of: "a")
      let place = desk.linePlace(of: "a")
      if place != last { moves += 1 }
      last = place
    }
    #expect(desk.waitingCount == 2_000)
    // It grows by doubling.
    #expect(moves < 30)
    for call: UInt64 in 2...2_001 { desk.end(token(call)) }
    try await eventually("the first begins") { works.begun == [1] ? true : nil }
    works.endAll()
  }

  @Test("A call that ends before its turn makes no work")
  func ended() async throws {
    let desk = ReadDesk(maximum: 1)
    let works = Works()
    run(desk, works, 1...1, of: "a")
    for call: UInt64 in 2...10_000 {
      run(desk, works, call...call, of: "a")
      if call != 500 { desk.end(token(call)) }
    }
    #expect(desk.waitingCount == 1)
    try await eventually("the first begins") { works.begun == [1] ? true : nil }
    works.endAll()
    try await eventually("the one that is left begins") { works.begun == [1, 500] ? true : nil }
    works.endAll()
    // Its line is forgotten with its last call; a new one begins at once.
    try await eventually("a later call begins") {
      if works.begun.count == 2 { run(desk, works, 20_000...20_000, of: "b") }
      return works.begun.contains(20_000) ? true : nil
    }
    works.endAll()
  }
}

import Glibc
import RPCWire
import TestSupport
import Testing

@testable import RPCTransport

@Suite struct DeadlineHeapTests {
  @Test("Deadlines come out in order, whatever was set, moved and removed", arguments: 1...20)
  func model(_ seed: UInt64) {
    var random = SeededGenerator(seed)
    var heap = DeadlineHeap()
    var model: [Int: Int64] = [:]
    for _ in 0..<1000 {
      let slot = Int.random(in: 0..<50, using: &random)
      if Int.random(in: 0..<4, using: &random) == 0 {
        heap.remove(slot)
        model[slot] = nil
      } else {
        let deadline = Int64.random(in: 0..<1000, using: &random)
        heap.set(slot, to: deadline)
        model[slot] = deadline
      }
      #expect(heap.count == model.count)
      #expect(heap.earliest?.deadline == model.values.min())
    }
    var popped: [Int64] = []
    while let slot = heap.popExpired(now: 500) { popped.append(model.removeValue(forKey: slot)!) }
    #expect(popped == popped.sorted())
    #expect(popped.allSatisfy { $0 <= 500 })
    #expect(model.values.allSatisfy { $0 > 500 })
    #expect(heap.count == model.count)
  }

  @Test("An empty heap has nothing to give, and removing nothing changes nothing")
  func empty() {
    var heap = DeadlineHeap()
    heap.remove(3)
    #expect(heap.popExpired(now: .max) == nil)
    #expect(heap.isEmpty)
  }
}

@Suite struct BufferTests {
  @Test("Output grows and keeps its bytes in order, also after a part was sent")
  func output() {
    var buffer = OutputBuffer(pointer: HeapMemory.take(8), capacity: 8)
    defer { free(buffer.pointer) }
    var expected: [UInt8] = []
    var random = SeededGenerator(7)
    for byte in 0..<200 {
      let count = Int.random(in: 1...9, using: &random)
      let place = buffer.reserve(count)
      place.initializeMemory(as: UInt8.self, repeating: UInt8(byte), count: count)
      buffer.commit(count)
      expected += [UInt8](repeating: UInt8(byte), count: count)
      let sent = Int.random(in: 0...buffer.count, using: &random)
      buffer.consume(sent)
      expected.removeFirst(sent)
      #expect(Array(UnsafeRawBufferPointer(start: buffer.first, count: buffer.count)) == expected)
    }
  }

  @Test("A pool gives a buffer back that was returned, and frees what has grown")
  func pool() {
    var pool = BufferPool()
    defer { pool.removeAll() }
    let first = pool.take()
    let pointer = first.pointer
    pool.give(first)
    var again = pool.take()
    #expect(again.pointer == pointer)
    _ = again.reserve(BufferPool.bufferBytes + 1)
    #expect(again.capacity > BufferPool.bufferBytes)
    pool.give(again)
    let other = pool.take()
    #expect(other.capacity == BufferPool.bufferBytes)
    pool.give(other)
  }

  @Test("Pending input keeps what is left, wherever it lies")
  func pending() {
    var pending = PendingInput()
    defer { pending.removeAll() }
    [1, 2, 3, 4].withUnsafeBytes { pending.append($0) }
    pending.replace(with: UnsafeRawBufferPointer(rebasing: pending.bytes[8...]))
    #expect(Array(pending.bytes.bindMemory(to: Int.self)) == [2, 3, 4])
    [5, 6].withUnsafeBytes { pending.append($0) }
    #expect(Array(pending.bytes.bindMemory(to: Int.self)) == [2, 3, 4, 5, 6])
    [7].withUnsafeBytes { pending.replace(with: $0) }
    #expect(Array(pending.bytes.bindMemory(to: Int.self)) == [7])
    Array(0..<100).withUnsafeBytes { pending.replace(with: $0) }
    #expect(Array(pending.bytes.bindMemory(to: Int.self)) == Array(0..<100))
    pending.replace(with: UnsafeRawBufferPointer(start: nil, count: 0))
    #expect(pending.count == 0)
  }

  @Test("Pending input that is done with goes piece by piece, whatever comes behind it")
  func pendingInPieces() {
    var pending = PendingInput()
    defer { pending.removeAll() }
    var expected: [UInt8] = []
    var random = SeededGenerator(3)
    var next: UInt8 = 0
    for _ in 0..<500 {
      let fresh = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        next &+= 1
        return next
      }
      fresh.withUnsafeBytes { pending.append($0) }
      expected += fresh
      let used = Int.random(in: 0...expected.count, using: &random)
      pending.removeFirst(used)
      expected.removeFirst(used)
      #expect(Array(pending.bytes) == expected)
    }
  }

  @Test(
    "Pending input gives away its memory, and counts on from its first byte", arguments: [0, 3])
  func pendingGivenAway(before: Int) {
    var pending = PendingInput()
    defer { pending.removeAll() }
    let all = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    all.withUnsafeBytes { pending.append($0) }
    pending.removeFirst(before)
    let first = pending.bytes.baseAddress!
    let memory = pending.giveAway(through: 299_990 - before)
    defer { free(memory) }
    #expect(
      UnsafeRawBufferPointer(start: first, count: 299_990 - before).elementsEqual(
        all[before..<299_990]))
    #expect(Array(pending.bytes) == Array(all[299_990...]))
    #expect(pending.capacity <= PendingInput.keptCapacity)
    // What the protocol is done with includes what was given away, here and two bytes behind it.
    pending.removeFirst(299_992 - before)
    #expect(Array(pending.bytes) == Array(all[299_992...]))
    pending.removeFirst(1)
    #expect(Array(pending.bytes) == Array(all[299_993...]))
  }

  @Test("Memory of pending input that was given away stays when the input ends")
  func pendingGivenAwayAndEnded() {
    var pending = PendingInput()
    [UInt8](repeating: 9, count: 200_000).withUnsafeBytes { pending.append($0) }
    let memory = pending.giveAway(through: 200_000)
    defer { free(memory) }
    pending.removeAll()
    #expect(pending.capacity == 0)
    #expect(UnsafeRawBufferPointer(start: memory, count: 200_000).allSatisfy { $0 == 9 })
    // Nothing of it counts for what comes then.
    [1].withUnsafeBytes { pending.append($0) }
    pending.removeFirst(8)
    #expect(pending.count == 0)
  }

  @Test("Memory of a long frame is given back while a few bytes behind it stay")
  func pendingShrinks() {
    var pending = PendingInput()
    defer { pending.removeAll() }
    [UInt8](repeating: 7, count: 1 << 20).withUnsafeBytes { pending.append($0) }
    pending.removeFirst((1 << 20) - 3)
    #expect(Array(pending.bytes) == [7, 7, 7])
    #expect(pending.capacity <= PendingInput.keptCapacity)
    [UInt8](repeating: 8, count: 1 << 20).withUnsafeBytes { pending.append($0) }
    pending.replace(with: UnsafeRawBufferPointer(rebasing: pending.bytes.suffix(2)))
    #expect(Array(pending.bytes) == [8, 8])
    #expect(pending.capacity <= PendingInput.keptCapacity)
  }
}

@Suite struct SecretInputTests {
  @Test("Calls behind a credential stay whole when it is wiped, also in the same bytes")
  func behindHello() {
    var pending = PendingInput()
    defer { pending.removeAll() }
    pending.beginSecret()
    [UInt8](1...9).withUnsafeBytes { pending.append($0) }
    let memory = pending.bytes.baseAddress!
    // The credential is in the first six bytes; the protocol says so while it goes through all.
    pending.endSecret()
    #expect(Array(pending.bytes) == [1, 2, 3, 4, 5, 6, 7, 8, 9])
    pending.removeFirst(6)
    #expect(Array(pending.bytes) == [7, 8, 9])
    #expect(!pending.isSecret)
    #expect(UnsafeRawBufferPointer(start: memory, count: 6).allSatisfy { $0 == 0 })
  }

  @Test("What is read over a credential leaves none of it", arguments: [2, 40, 100_000])
  func replaced(bytes: Int) {
    var pending = PendingInput()
    defer { pending.removeAll() }
    pending.beginSecret()
    [UInt8](repeating: 0xab, count: 50).withUnsafeBytes { pending.append($0) }
    pending.endSecret()
    [UInt8](repeating: 7, count: bytes).withUnsafeBytes { pending.replace(with: $0) }
    #expect(Array(pending.bytes) == [UInt8](repeating: 7, count: bytes))
    #expect(!pending.isSecret)
    let all = UnsafeRawBufferPointer(start: pending.bytes.baseAddress, count: pending.capacity)
    #expect(all.allSatisfy { $0 == 7 || $0 == 0 })
  }
}

@Suite struct TurnTests {
  @Test("The clock is looked at behind some frames or one long one, and ends the turn")
  func turnClock() {
    var clock = TurnClock()
    var looks = 0
    func reaches(_ offset: Int, at now: Int64) -> Bool {
      clock.reached(offset) {
        looks += 1
        return now
      }
    }
    clock.begin()
    for frame in 0..<TurnClock.framesBetweenLooks {
      let isOver = reaches(frame * 16, at: 1_000)
      #expect(!isOver)
    }
    #expect(looks == 0)
    // The first look begins the time.
    let end = 1_000 + TurnClock.nanoseconds
    let afterSome = [reaches(1_100, at: 1_000), reaches(1_200, at: end)]
    #expect(afterSome == [false, false])
    let beforeEnd = reaches(1_200 + TurnClock.bytesBetweenLooks, at: end - 1)
    #expect(!beforeEnd)
    let afterLong = reaches(1_200 + 2 * TurnClock.bytesBetweenLooks, at: end)
    #expect(afterLong)
    #expect(looks == 3)
    let later = reaches(0, at: 0)
    #expect(later)
    #expect(looks == 3)
    clock.begin()
    #expect(!clock.isOver)
    // Calls that are kept count for more.
    for call in 0..<TurnClock.framesBetweenLooks / TurnClock.framesOfKept {
      let isOver = reaches(call * 16, at: 1_000)
      #expect(!isOver && looks == 3)
      clock.keptCall()
    }
    _ = reaches(0, at: 1_000)
    #expect(looks == 4)
  }

  @Test("Turns come in the order of their asking")
  func order() {
    var queue = TurnQueue()
    var expected: [UInt64] = []
    var random = SeededGenerator(5)
    for number: UInt64 in 1...1000 {
      queue.append(number)
      expected.append(number)
      for _ in 0..<Int.random(in: 0...2, using: &random) where !expected.isEmpty {
        let first = queue.popFirst()
        #expect(first == expected.removeFirst())
      }
      #expect(queue.count == expected.count)
    }
    while let number = queue.popFirst() { #expect(number == expected.removeFirst()) }
    #expect(expected.isEmpty)
    #expect(queue.isEmpty)
  }
}

@Suite struct ReactorTests {
  @Test("Work posted from many threads runs on the reactor, each thread's in its order")
  func mailbox() async throws {
    let reactor = try Reactor(label: "test")
    let record = PostedRecord()
    await withTaskGroup(of: Void.self) { group in
      for sender in 0..<8 {
        group.addTask {
          for number in 0..<500 {
            reactor.post { reactor in record.note(sender, number, reactor.isCurrent) }
          }
        }
      }
    }
    try await eventually("all work has run") { record.count == 4000 ? true : nil }
    #expect(record.isInOrder)
    #expect(record.wasAlwaysCurrent)
    #expect(!reactor.isCurrent)
    reactor.post { $0.stop() }
  }

  @Test("Posted work that takes long leaves the rest for later rounds, in its order")
  func longWork() async throws {
    let reactor = try Reactor(label: "test")
    let record = PostedRounds()
    await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
      reactor.post { reactor in
        // Long ones, each in a round of its own, and short ones, all together.
        for number in 0..<5 {
          reactor.post { reactor in
            let end = ServerTime.monotonicNow() + Reactor.postedNanoseconds
            while ServerTime.monotonicNow() < end {}
            record.note(number, reactor.now.monotonicNanoseconds)
          }
        }
        reactor.post { _ in done.resume() }
      }
    }
    #expect(record.numbers == Array(0..<5))
    #expect(Set(record.rounds).count == 5)
    reactor.post { $0.stop() }
  }

  @Test("A reactor that stopped lets go of what is posted to it")
  func postedTooLate() async throws {
    final class Piece: Sendable {}
    let reactor = try Reactor(label: "test")
    reactor.post { $0.stop() }
    try await eventually("nothing is kept") { () -> Bool? in
      weak var kept: Piece?
      do {
        let piece = Piece()
        kept = piece
        reactor.post { _ in withExtendedLifetime(piece) {} }
      }
      return kept == nil ? true : nil
    }
    weak var kept: Piece?
    do {
      let piece = Piece()
      kept = piece
      reactor.post { _ in withExtendedLifetime(piece) {} }
    }
    #expect(kept == nil)
  }

  @Test("A slot that is used again has another identifier")
  func generations() {
    let table = SlotTable()
    var seen: Set<UInt64> = []
    for _ in 0..<100 {
      let slot = table.take()
      seen.insert(table.generation(slot) << 20 | UInt64(slot))
      table.give(slot)
    }
    #expect(seen.count == 100)
    #expect(table.source(0) == nil)
    #expect(table.source(1 << 19) == nil)
  }
}

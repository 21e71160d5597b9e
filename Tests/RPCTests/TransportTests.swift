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
    var buffer = OutputBuffer(pointer: .allocate(byteCount: 8, alignment: 16), capacity: 8)
    defer { buffer.pointer.deallocate() }
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

import Testing

@testable import RPCClient

@Suite struct OpenCallsTests {
  private func call(_ id: UInt32) -> OpenCalls.Call {
    OpenCalls.Call(
      deadline: Int64(id), tag: UInt64(id) * 3, ticket: 0, receiver: StreamBuffer())
  }

  @Test(
    "The table holds what a dictionary holds, calls that stay open for long among short ones",
    arguments: [3, 16, 200, 1500])
  func model(most: Int) {
    let table = OpenCalls()
    var open: [UInt32] = []
    var random = SeededGenerator(UInt64(most))
    var id: UInt32 = 0
    for _ in 0..<(most * 10) {
      if open.count < most || random.next() % 16 == 0 {
        // Ids that skip some fall on the same place now and then.
        id += random.next() % 64 == 0 ? 4096 : 1
        table.insert(id, call(id))
        open.append(id)
      } else {
        // Mostly the oldest, as on a connection, and any other.
        let isAny = random.next() % 4 == 0
        let removed = open.remove(at: isAny ? Int(random.next() % UInt64(open.count)) : 0)
        #expect(table.remove(removed)?.tag == UInt64(removed) * 3)
        #expect(table.remove(removed)?.tag == nil)
      }
      #expect(table.count == open.count)
    }
    for id in open { #expect(table[id]?.tag == UInt64(id) * 3) }
    #expect(table.ids { _, _ in true }.sorted() == open)
    #expect(table[0]?.tag == nil && table[id + 1]?.tag == nil && table.remove(0)?.tag == nil)
    #expect(table.removeAll().map(\.tag).sorted() == open.map { UInt64($0) * 3 })
    #expect(table.isEmpty)
    table.insert(1, call(1))
    #expect(table[1]?.tag == 3)
  }

  @Test("A table lets go of what it holds, taken out or not")
  func lifetimes() {
    weak var first: StreamBuffer?
    weak var second: StreamBuffer?
    do {
      let table = OpenCalls()
      let (one, two) = (StreamBuffer(), StreamBuffer())
      (first, second) = (one, two)
      table.insert(1, OpenCalls.Call(deadline: 0, tag: 0, ticket: 0, receiver: one))
      table.insert(17, OpenCalls.Call(deadline: 0, tag: 0, ticket: 0, receiver: two))
      _ = table.remove(1)
    }
    #expect(first == nil)
    #expect(second == nil)
  }
}

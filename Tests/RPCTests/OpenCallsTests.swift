import Testing

@testable import RPCClient

@Suite struct OpenCallsTests {
  private func call(_ id: UInt32) -> OpenCalls.Call {
    OpenCalls.Call(
      deadline: Int64(id), tag: UInt64(id) * 3, ticket: 0, receiver: StreamBuffer())
  }

  @Test(
    "The table holds what a dictionary holds, calls that stay open for long among short ones",
    arguments: [3, 16, 200, 3000])
  func model(open: Int) {
    let table = OpenCalls()
    var model: [UInt32: UInt64] = [:]
    var random = SeededGenerator(UInt64(open))
    var id: UInt32 = 0
    for _ in 0..<(open * 40) {
      if model.count < open || random.next() % 16 == 0 {
        // Ids that skip some fall on the same place now and then.
        id += random.next() % 64 == 0 ? 4096 : 1
        table.insert(id, call(id))
        model[id] = UInt64(id) * 3
      } else {
        let ids = model.keys.sorted()
        // Mostly the oldest, as on a connection, and any other.
        let position = random.next() % 4 == 0 ? Int(random.next() % UInt64(ids.count)) : 0
        let removed = table.remove(ids[position])
        #expect(removed?.tag == model.removeValue(forKey: ids[position]))
        #expect(table.remove(ids[position])?.tag == nil)
      }
      #expect(table.count == model.count)
    }
    for (id, tag) in model { #expect(table[id]?.tag == tag) }
    #expect(table.ids { _, _ in true }.sorted() == model.keys.sorted())
    #expect(table[0]?.tag == nil && table[id + 1]?.tag == nil && table.remove(0)?.tag == nil)
    #expect(table.removeAll().map(\.tag).sorted() == model.values.sorted())
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

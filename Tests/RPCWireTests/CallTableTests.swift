import RPCWire
import Testing

/// A small generator with a seed, so that a failure repeats.
private struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}

@Suite struct CallTableTests {
  @Test("It behaves as a dictionary under any order of calls and ends", arguments: 1...20)
  func model(_ seed: UInt64) {
    var random = SeededGenerator(state: seed &* 0x9e37_79b9_7f4a_7c15)
    var table = CallTable<Int>()
    var model: [UInt32: Int] = [:]
    var nextID: UInt32 = 1
    for step in 0..<2000 {
      if Bool.random(using: &random), let id = model.keys.randomElement(using: &random) {
        #expect(table.remove(id) == model.removeValue(forKey: id))
      } else {
        table.insert(nextID, step)
        model[nextID] = step
        nextID += UInt32.random(in: 1...9, using: &random)
      }
      #expect(table.count == model.count)
    }
    for (id, value) in model { #expect(table[id] == value) }
    #expect(Set(table.callIDs) == Set(model.keys))
  }

  @Test("What is not there is not found, removed or changed")
  func absent() {
    var table = CallTable<Int>()
    #expect(table[1] == nil)
    #expect(table.remove(1) == nil)
    table.insert(2, 20)
    table.update(3) { $0 = 99 }
    #expect(table[3] == nil)
    #expect(table[0] == nil)
    #expect(table[2] == 20)
    #expect(table.count == 1)
  }

  @Test("A value is changed in place")
  func update() {
    var table = CallTable<Int>()
    table.insert(2, 20)
    table.update(2) { $0 += 1 }
    #expect(table[2] == 21)
  }
}

import TestSupport
import Testing

@testable import IntegrationService

@Suite("The line of polls")
struct PollLineTests {
  typealias Line = PollLine<Int>

  /// Everything that is in a line, in its order.
  private func tokens(_ line: Line) -> [Int] {
    var found: [Int] = []
    _ = line.first {
      found.append($0)
      return false
    }
    return found
  }

  /// Repeatable numbers below a bound, by Knuth's linear congruential generator (MMIX).
  private struct Numbers {
    var state: UInt64

    mutating func next(below bound: UInt64) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % bound)
    }
  }

  @Test("It is a sorted list, whatever comes and goes", arguments: 1...20)
  func model(seed: UInt64) {
    var numbers = Numbers(state: seed)
    var (line, model): (Line, [Int]) = (Line(), [])
    // Phases of growth and of leaving, so that arrays are split and joined.
    for step in 0..<6_000 {
      let grows = (step / 1_000).isMultiple(of: 2)
      let order = numbers.next(below: 2_000)
      if numbers.next(below: 10) < (grows ? 8 : 2) {
        line.insert(order, UInt64(order))
        if !model.contains(order) { model.append(order) }
      } else {
        line.remove(UInt64(order))
        model.removeAll { $0 == order }
      }
      #expect(line.count == model.count)
      #expect(line.first?.token == model.min())
      #expect(line.partCount <= 4 * model.count / Line.longest + 1)
    }
    #expect(tokens(line) == model.sorted())
  }

  @Test("What comes at the end fills whole arrays, and all may leave from either side")
  func ends() {
    var line = Line()
    for order in 0..<10 * Line.longest { line.insert(order, UInt64(order)) }
    #expect(line.partCount == 10)
    for order in 0..<5 * Line.longest {
      line.remove(UInt64(order))
      line.remove(UInt64(10 * Line.longest - 1 - order))
    }
    #expect(line.isEmpty && line.first == nil && line.partCount == 0)
  }
}

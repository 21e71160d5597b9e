import Synchronization
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Long answers have few places")
struct PagePlacesTests {
  /// Who has a place, and keeps it until the test lets it go.
  final class Holders: Sendable {
    private let state = Mutex<[(number: Int, place: PagePlaces.Place)]>([])

    var numbers: [Int] { state.withLock { $0.map(\.number) } }

    func add(_ number: Int, _ place: PagePlaces.Place) {
      state.withLock { $0.append((number, place)) }
    }

    func removeFirst() {
      // Let go of without the lock: whoever is next comes to `add`.
      let first = state.withLock { $0.removeFirst() }
      withExtendedLifetime(first) {}
    }
  }

  @Test("As many as there are places are at work, the others wait in their order")
  func order() async throws {
    let places = PagePlaces(count: 2)
    let holders = Holders()
    for number in 0..<200 {
      Task { holders.add(number, await places.take()) }
      try await eventually("it has a place or waits") {
        holders.numbers.count + places.waitingCount == number + 1 ? true : nil
      }
    }
    #expect(places.waitingCount == 198)
    for number in 0..<200 {
      try await eventually("the next has the place") {
        holders.numbers.count == min(2, 200 - number) ? true : nil
      }
      #expect(holders.numbers.first == number)
      holders.removeFirst()
    }
    #expect(places.waitingCount == 0)
  }
}

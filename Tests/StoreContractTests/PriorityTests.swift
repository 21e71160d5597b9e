import Glibc
import TestSupport
import Testing

@testable import SQLiteStore

@Suite struct PriorityTests {
  /// The calling thread's niceness (getpriority(2); on Linux each thread has its own).
  static func niceness() -> Int32 { getpriority(Int32(0), 0) }

  @Test(
    "Reads stand behind writes where processors are short",
    .enabled(if: PriorityTests.niceness() < 10, "the tests run with the lowest priority themselves")
  )
  func readers() async throws {
    let scratch = try ScratchDirectory()
    let store = try SQLiteStore(directory: scratch.file("data"), limits: StoreLimits())
    let reader = try await store.readers.read { _ in Self.niceness() }
    let writer = await store.loop.betweenBatches { _ in Self.niceness() }
    #expect(reader > writer)
    await store.close()
  }
}

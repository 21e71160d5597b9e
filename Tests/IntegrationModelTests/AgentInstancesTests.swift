import IntegrationModel
import Testing

@Suite struct AgentInstancesTests {
  private func twins(_ processes: [String], every ms: Int64 = 1_000, within: Int64 = 25_000) -> Int
  {
    var instances = AgentInstances()
    for (number, process) in processes.enumerated() {
      instances.heard(process, host: "", atMs: Int64(number) * ms)
    }
    return instances.twins(atMs: Int64(processes.count) * ms, withinMs: within).count
  }

  @Test("Processes that take turns are two; one that follows another is one")
  func turns() {
    #expect(twins(["a", "b", "a", "b"]) == 2)
    #expect(twins(["a", "b", "c", "a", "b", "c"]) == 3)
    #expect(twins(["a", "a", "b", "b", "c", "d", "e", "f"]) == 0)
    // A last word of the old one that was under way when the new one came.
    #expect(twins(["a", "b", "a"]) == 0)
    #expect(twins(["", "b", "", "b"]) == 0)
    #expect(twins(["a", "b", "a", "b"], every: 30_000) == 0)
  }

  private func goodbye(_ process: String, after processes: [String], lastHeardMs: Int64) -> Bool {
    var instances = AgentInstances()
    for (number, process) in processes.enumerated() {
      instances.heard(process, host: "", atMs: Int64(number) * 1_000)
    }
    return instances.ended(
      process, atMs: 40_000, withinMs: 25_000, lastHeardMs: lastHeardMs)
  }

  @Test("A goodbye counts unless another process was heard of since this one came")
  func goodbyes() {
    #expect(!goodbye("a", after: ["a"], lastHeardMs: 39_000))
    // The old one of two ends while the new one works, or has died meanwhile.
    #expect(goodbye("a", after: ["a", "b"], lastHeardMs: 39_000))
    #expect(!goodbye("a", after: ["a", "b"], lastHeardMs: 10_000))
    // The new one ends; the old one has died before it came, or works on.
    #expect(!goodbye("b", after: ["a", "b"], lastHeardMs: 39_000))
    #expect(goodbye("b", after: ["a", "b", "a"], lastHeardMs: 39_000))
    #expect(!goodbye("x", after: ["a"], lastHeardMs: 39_000))
  }
}

import RPCWire
import Testing

@testable import RPCServer

@Suite struct DescriptorBudgetTests {
  @Test(
    "Descriptors are left for operators and for the server, whatever the limits say",
    arguments: [
      (20_000, 1, 16_384, 256), (1024, 1, 813, 128), (1024, 64, 624, 128), (256, 1, 141, 32),
      (64, 1, 1, 8), (.max, 64, 16_384, 256),
    ])
  func budget(_ descriptors: Int, _ reactors: Int, _ connections: Int, _ lingering: Int) {
    let budget = DescriptorBudget(
      descriptors: descriptors, reactors: reactors, limits: TransportLimits())
    #expect(budget.connections == connections)
    #expect(budget.lingering == lingering)
  }
}

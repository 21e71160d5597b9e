import RPCWire
import Testing

@testable import RPCServer

@Suite struct DescriptorBudgetTests {
  @Test(
    "Descriptors are left for operators and for the server, whatever the limits say",
    arguments: [
      (20_000, 16_384, 256), (1024, 816, 128), (256, 144, 32), (64, 1, 8), (.max, 16_384, 256),
    ])
  func budget(_ descriptors: Int, _ connections: Int, _ lingering: Int) {
    let budget = DescriptorBudget(descriptors: descriptors, limits: TransportLimits())
    #expect(budget.connections == connections)
    #expect(budget.lingering == lingering)
  }
}

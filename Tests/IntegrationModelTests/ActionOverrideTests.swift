import Testing

@testable import IntegrationModel

@Suite struct ActionOverrideTests {
  static let declared = ActionPolicy(
    queueTimeoutMs: 1, progressTimeoutMs: 2, maximumInFlight: 3, oneOpenPerEntity: true,
    retry: RetryRule(maximumAttempts: 4))

  /// An override of every rule.
  static var full: ActionOverride {
    var override = ActionOverride()
    override.retry = RetryRule(maximumAttempts: 9)
    override.queueTimeoutMs = 10
    override.progressTimeoutMs = 20
    override.maximumInFlight = 30
    override.oneOpenPerEntity = false
    override.rate = DeliveryRate(limit: 40, periodMs: 1_000)
    override.canBeRequested = true
    return override
  }

  @Test("Without an override what is declared holds")
  func empty() {
    #expect(ActionOverride().isEmpty)
    #expect(ActionOverride().fields.isEmpty)
    #expect(ActionOverride().effective(over: Self.declared) == Self.declared)
  }

  @Test("What is set holds instead of what is declared, also where it is zero or no")
  func full() {
    let effective = Self.full.effective(over: Self.declared)
    #expect(
      effective
        == ActionPolicy(
          queueTimeoutMs: 10, progressTimeoutMs: 20, maximumInFlight: 30, oneOpenPerEntity: false,
          retry: RetryRule(maximumAttempts: 9), rate: DeliveryRate(limit: 40, periodMs: 1_000)))
    var zero = ActionOverride()
    zero.maximumInFlight = 0
    #expect(zero.effective(over: Self.declared).maximumInFlight == 0)
    #expect(zero.fields == [.maximumInFlight])
  }

  @Test("Each rule is cleared alone", arguments: ActionOverride.Field.allCases)
  func clear(field: ActionOverride.Field) {
    let cleared = Self.full.changed(by: ActionOverride(), clearing: [field])
    #expect(cleared.fields == ActionOverride.Field.allCases.filter { $0 != field })
    #expect(!cleared.holds(field))
  }

  @Test("A change sets its own rules and leaves the others")
  func change() {
    var change = ActionOverride()
    change.maximumInFlight = 5
    let next = Self.full.changed(by: change, clearing: [.retry])
    var expected = Self.full
    expected.maximumInFlight = 5
    expected.retry = nil
    #expect(next == expected)
    #expect(
      Self.full.changed(by: ActionOverride(), clearing: Set(ActionOverride.Field.allCases)).isEmpty)
  }
}

import Foundation
import Testing

/// How many times slower than usual the tests run, so that limits on time stay the same promise:
/// INTEGRATION_TEST_SLOWDOWN, which the sanitizers' runs set.
public enum Slowness {
  /// At least 1.
  public static let factor: Int = {
    let text = ProcessInfo.processInfo.environment["INTEGRATION_TEST_SLOWDOWN"]
    return max(1, text.flatMap { Int($0) } ?? 1)
  }()
}

extension Trait where Self == TimeLimitTrait {
  /// A limit on time that is as many times longer as the tests run slower.
  public static func limit(minutes: Int) -> TimeLimitTrait {
    .timeLimit(.minutes(minutes * Slowness.factor))
  }
}

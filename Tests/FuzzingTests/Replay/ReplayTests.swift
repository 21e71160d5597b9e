import Foundation
import TestSupport
import Testing

/// Inputs that libFuzzer found, replayed in the ordinary build: `Scripts/torture bytes` looks for
/// more of them.
@Suite(.offPool) struct ReplayTests {
  static let folder = SourceTree.root + "/Tests/Fuzzing"

  /// The inputs of a target that reach all that any input has reached.
  private static func corpus(_ target: FuzzTarget) throws -> [[UInt8]] {
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/Corpus/\(target.name).pack"))
    var rest = [UInt8](data)[...]
    var inputs: [[UInt8]] = []
    while rest.count >= 4 {
      let count = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(4)
      inputs.append(Array(rest.prefix(count)))
      rest = rest.dropFirst(count)
    }
    return inputs
  }

  @Test("What is known of each target is answered rightly", arguments: FuzzTarget.all)
  func corpus(_ target: FuzzTarget) throws {
    let inputs = try Self.corpus(target)
    #expect(inputs.count > 3)
    for (number, input) in inputs.enumerated() {
      #expect(throws: Never.self, "input \(number)") { try withExactCopy(input, target.run) }
    }
  }

  @Test("Nothing that once crashed or was answered wrongly does so again", arguments: crashes)
  func crash(_ crash: Crash) throws {
    let target = try #require(FuzzTarget.all.first { $0.name == crash.target })
    let input = try [UInt8](Data(contentsOf: URL(fileURLWithPath: Self.folder + crash.path)))
    try withExactCopy(input, target.run)
  }

  /// A file below `Tests/Fuzzing/Crashes`.
  struct Crash: CustomTestStringConvertible, Sendable {
    let target: String
    let path: String
    var testDescription: String { path }
  }

  static let crashes = SourceTree.files(below: "Tests/Fuzzing/Crashes", [""]).compactMap { path in
    let parts = path.split(separator: "/")
    return parts.count == 5
      ? Crash(target: String(parts[3]), path: "/" + parts[2...].joined(separator: "/")) : nil
  }

  @Test("The list of message types is complete")
  func messages() throws {
    var count = 0
    for path in SourceTree.files(below: "Sources/RPCEnvelope/Generated", [".messages.swift"])
      + SourceTree.files(below: "Sources/IntegrationAPI/Generated", [".messages.swift"])
    { count += try SourceTree.text(path).components(separatedBy: ": ProtobufMessage {").count - 1 }
    #expect(MessageTypes.all.count == count)
  }
}

extension FuzzTarget: CustomTestStringConvertible {
  var testDescription: String { name }
}

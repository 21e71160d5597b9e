import TestSupport
import Testing

/// PROTOCOL.md says what the code does.
@Suite struct ProtocolDocumentTests {
  /// Where reasons that cross the wire are made.
  static let modules: Set = [
    "RPCWire", "RPCTransport", "RPCServer", "RPCClient", "RPCInProcess", "ProtobufRuntime",
    "IntegrationModel", "IntegrationStore", "SQLiteStore", "IntegrationService", "IntegrationAPI",
    "integrationd",
  ]

  let document: String

  init() throws { document = try SourceTree.text("Protos/PROTOCOL.md") }

  @Test("Every reason in the code is in the document, and the other way round")
  func reasons() {
    let section = document.components(after: "### Reasons")
    let end = section.firstRange(of: "\n## ")?.lowerBound ?? section.endIndex
    let documented = Set(section[..<end].matches(of: #/`([A-Z][A-Z_]+)`/#).map { String($0.1) })
    #expect(documented.count > 40)
    #expect(reasonsInCode.subtracting(documented).sorted() == [], "not in PROTOCOL.md")
    #expect(documented.subtracting(reasonsInCode).sorted() == [], "nowhere in the code")
  }

  private var reasonsInCode: Set<String> {
    var found: Set<String> = []
    for file in SourceFile.swift where Self.modules.contains(file.target) && !file.isGenerated {
      // `reason: "X"`, `static let x = "X"` of a list of reasons, and `Failure(.code, "X", …)`.
      let text = file.lines.joined(separator: "\n")
      let spelling = #/(?:reason: |static let \w+ = |\.[a-z]\w+,\s*)"([A-Z][A-Z_]{3,})"/#
      found.formUnion(text.matches(of: spelling).map { String($0.1) })
    }
    return found
  }

  @Test("The methods of the agent's service have the ids of the schema")
  func methodIds() throws {
    let schema = try SourceTree.text("Protos/integrationmanager/v1/agent.proto")
    let rpc = #/rpc (\w+)\((\w+)\) returns \((\w+)\) \{\s*option \(rpc\.v1\.method_id\) = (\d+)/#
    let methods = schema.matches(of: rpc)
    #expect(methods.count == 5)
    for method in methods {
      let row = "| \(method.4) | `AgentService/\(method.1)` | `\(method.2)` → `\(method.3)` |"
      #expect(document.contains(row), "\(row)")
    }
  }

  @Test("Every code of google.rpc.Code has its row")
  func codes() {
    let rows = document.matches(of: #/\| (\d+) \| ([A-Z_]+) \|/#).map { Int($0.1) ?? 0 }
    #expect(Set(rows).isSuperset(of: 1...16))
  }
}

import IntegrationAPI
import IntegrationModel
import IntegrationStore
import RPCClient
import RPCServer
import RPCWire
import TestSupport
import Testing

@testable import IntegrationService

@Suite("Who may call what")
struct AccessTests {
  static let agentService = AgentServiceMethods.heartbeat.service

  /// The reason with which a method is refused to a caller; nil: it gets past the gate.
  static func refusal(_ method: MethodDescriptor, _ caller: Caller) -> String? {
    let isAgents = method.service == agentService
    switch caller {
    case .nobody: return "TOKEN_MISSING"
    case .stranger: return "TOKEN_INVALID"
    case .revokedToken, .expiredToken, .revokedKey, .expiredKey: return "TOKEN_REVOKED"
    case .agent: return isAgents ? nil : "OPERATOR_ONLY"
    case .viewer, .operator, .admin, .local:
      if isAgents { return "AGENT_ONLY" }
      let role = caller.role ?? .viewer
      return role < OperatorMethods.requiredRole(of: method) ? "ROLE_MISSING" : nil
    }
  }

  @Test(
    "Each method is open to those who may call it, and to nobody else", arguments: Caller.allCases)
  func matrix(caller: Caller) async throws {
    let stage = try await AccessStage()
    for method in stage.methods {
      let error = await stage.call(method, as: caller)
      let gates = [
        "TOKEN_MISSING", "TOKEN_INVALID", "TOKEN_REVOKED", "OPERATOR_ONLY", "AGENT_ONLY",
        "ROLE_MISSING",
      ]
      let reason = error.flatMap { gates.contains($0.reason) ? $0.reason : nil }
      #expect(reason == Self.refusal(method, caller), "\(method.fullName): \(error as Any)")
      if reason == "ROLE_MISSING" {
        let role = OperatorMethods.requiredRole(of: method).name
        #expect(error?.code == .permissionDenied)
        #expect(error?.message.contains("needs the role \(role)") == true)
        #expect(error?.message.contains("operator:\(caller) has \(caller)") == true)
      }
    }
  }

  @Test("The schema says of each operator's method which role it needs, and the server asks for it")
  func rolesOfSchema() async throws {
    let schema = try SourceTree.text("Protos/integrationmanager/v1/operator.proto")
    let said = schema.matches(of: #/// Role: (\w+)\.\n  rpc (\w+)\(/#).map {
      (String($0.2), String($0.1))
    }
    let roles = Dictionary(uniqueKeysWithValues: said)
    let operators = try await AccessStage().methods.filter { $0.service != Self.agentService }
    #expect(operators.count > 50)
    #expect(Set(roles.keys) == Set(operators.map(\.name)))
    for method in operators {
      #expect(roles[method.name] == OperatorMethods.requiredRole(of: method).name, "\(method.name)")
    }
  }

  @Test("A response is named after its method, which the audit takes for the name of a change")
  func responseNames() throws {
    let schema = try SourceTree.text("Protos/integrationmanager/v1/operator.proto")
    let methods = schema.matches(of: #/rpc (\w+)\(\w+\) returns \((?:stream )?(\w+)\)/#)
    #expect(methods.count > 50)
    for method in methods { #expect(method.2 == method.1 + "Response") }
  }
}

/// Every kind of caller.
enum Caller: String, CaseIterable, CustomStringConvertible {
  case nobody
  case stranger
  case agent
  case viewer
  case `operator`
  case admin
  case local
  case revokedToken
  case expiredToken
  case revokedKey
  case expiredKey

  var description: String { rawValue }

  var role: OperatorRole? {
    switch self {
    case .viewer: .viewer
    case .operator: .operator
    case .admin, .local: .admin
    case .nobody, .stranger, .agent, .revokedToken, .expiredToken, .revokedKey, .expiredKey: nil
    }
  }
}

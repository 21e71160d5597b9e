import IntegrationAPI
import IntegrationModel
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Adds every method of both services to a router; those of operators behind the gate.
  public func register(in router: inout ServiceRouter) {
    registerAgentService(in: &router)
    // What these begin stands in a batch of the store, which is done whoever waits for it.
    router.markGoesOn(AgentServiceMethods.reportLog)
    router.markGoesOn(AgentServiceMethods.reportLogBatch)
    router.markGoesOn(AgentServiceMethods.registerAction)
    // Without leases it begins nothing, and says that the agent lives.
    router.markGoesOn(AgentServiceMethods.heartbeat, handlerAsks: true)
    var operators = ServiceRouter()
    registerOperatorService(in: &operators)
    router.register(operators) { method in
      let role = OperatorMethods.requiredRole(of: method)
      return { principal in Self.refusal(of: principal, from: method, role) }
    }
  }

  /// Why a principal may not call a method; nil: it may.
  private static func refusal(
    of principal: Principal, from method: MethodDescriptor, _ required: OperatorRole
  ) -> RPCError? {
    guard principal.kind == .operator else { return .operatorOnly }
    #if PLANTED_MISSING_ROLE_CHECK
      let role: OperatorRole? = .admin
    #else
      let role = principal.identity?.role
    #endif
    guard role.map({ $0 < required }) ?? true else { return nil }
    return RPCError(
      .permissionDenied,
      "\(method.name) needs the role \(required.name); \(principal.name) has "
        + "\(role?.name ?? "none"): ask an admin to do it, or for a token with that role "
        + "(`integrationctl tokens create NAME --role \(required.name)`)",
      reason: Reason.roleMissing)
  }
}

extension RPCError {
  static let operatorOnly = RPCError(
    .permissionDenied,
    "this method is for operators: an integration's API key may only make agents' calls",
    reason: Reason.operatorOnly)
}

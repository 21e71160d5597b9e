import IntegrationAPI
import IntegrationModel
import RPCServer
import RPCWire

/// Which role each method of `OperatorService` needs at least.
///
/// The comment of each method in operator.proto says the same; a test compares them. A method that
/// stands nowhere here ends the program when it starts, so that none can be forgotten.
enum OperatorMethods {
  /// The role that a method needs at least.
  static func requiredRole(of method: MethodDescriptor) -> OperatorRole {
    guard let role = roles[method] else {
      preconditionFailure("\(method.fullName) has no role: name one in OperatorMethods")
    }
    return role
  }

  private static let roles: [MethodDescriptor: OperatorRole] = {
    let lists: [(OperatorRole, [MethodDescriptor])] = [
      (.viewer, viewers), (.operator, operators), (.admin, admins),
    ]
    return Dictionary(
      uniqueKeysWithValues: lists.flatMap { role, methods in methods.map { ($0, role) } })
  }()

  private static let viewers: [MethodDescriptor] = [
    OperatorServiceMethods.getServerInfo,
    OperatorServiceMethods.getStatus,
    OperatorServiceMethods.listIntegrations,
    OperatorServiceMethods.getIntegration,
    OperatorServiceMethods.listKeys,
    OperatorServiceMethods.listActions,
    OperatorServiceMethods.getAction,
    OperatorServiceMethods.listLogs,
    OperatorServiceMethods.getLog,
    OperatorServiceMethods.tailLogs,
    OperatorServiceMethods.countLogs,
    OperatorServiceMethods.chartLogs,
    OperatorServiceMethods.groupFailures,
    OperatorServiceMethods.listRequests,
    OperatorServiceMethods.listAgents,
    OperatorServiceMethods.getAgent,
    OperatorServiceMethods.listSchedules,
    OperatorServiceMethods.getSchedule,
    OperatorServiceMethods.previewSchedule,
    OperatorServiceMethods.getRetention,
  ]

  private static let operators: [MethodDescriptor] = [
    OperatorServiceMethods.pauseIntegration,
    OperatorServiceMethods.resumeIntegration,
    OperatorServiceMethods.pauseAction,
    OperatorServiceMethods.resumeAction,
    OperatorServiceMethods.retryLog,
    OperatorServiceMethods.retryLogs,
    OperatorServiceMethods.addNote,
    OperatorServiceMethods.markHandled,
    OperatorServiceMethods.createRequest,
    OperatorServiceMethods.cancelRequest,
    OperatorServiceMethods.createRequests,
    OperatorServiceMethods.cancelRequests,
    OperatorServiceMethods.drainAgent,
    OperatorServiceMethods.createSchedule,
    OperatorServiceMethods.updateSchedule,
    OperatorServiceMethods.pauseSchedule,
    OperatorServiceMethods.resumeSchedule,
    OperatorServiceMethods.triggerSchedule,
    OperatorServiceMethods.deleteSchedule,
  ]

  private static let admins: [MethodDescriptor] = [
    OperatorServiceMethods.createIntegration,
    OperatorServiceMethods.updateIntegration,
    OperatorServiceMethods.deleteIntegration,
    OperatorServiceMethods.createKey,
    OperatorServiceMethods.revokeKey,
    OperatorServiceMethods.revealKey,
    OperatorServiceMethods.rotateKey,
    OperatorServiceMethods.updateAction,
    OperatorServiceMethods.createToken,
    OperatorServiceMethods.listTokens,
    OperatorServiceMethods.revokeToken,
    OperatorServiceMethods.listAudit,
    OperatorServiceMethods.setRetention,
    OperatorServiceMethods.pruneLogs,
    OperatorServiceMethods.backUp,
    OperatorServiceMethods.checkStore,
    OperatorServiceMethods.exportData,
    OperatorServiceMethods.importData,
  ]
}

import CommandLineOptions
import IntegrationAPI
import RPCWire

/// `requests create`: asks, and with `--wait` stays until the end.
struct RequestCreation {
  let invocation: Invocation

  private static let firstPause = Duration.milliseconds(20)
  private static let longestPause = Duration.seconds(1)

  func run() async throws {
    let client = try await invocation.client()
    let request = request()
    let reply = try await invocation.call(client) { client throws(RPCError) in
      try await client.createRequest(request)
    }
    let id = reply.log?.id ?? ""
    guard invocation.arguments[RequestCommands.wait] else {
      return try invocation.write(reply) { _ in
        (reply.duplicate ? "Asked before: \(id)" : "Queued \(id)")
          + ".\nSee: integrationctl logs show \(id)\n"
      }
    }
    if invocation.console.ask != nil {
      invocation.console.warn("Queued \(id); waiting for its end. Ctrl-C leaves it as it is.\n")
    }
    let end = try await waitForEnd(of: id, client)
    try invocation.write(end) { LogView.text(end, $0) }
    let status = end.log?.status ?? .unspecified
    if status != .completed {
      throw Failure(.refused, "the request ended \(status.jsonName)", reason: status.jsonName)
    }
  }

  private func request() -> CreateRequestRequest {
    let arguments = invocation.arguments
    var request = CreateRequestRequest()
    request.integration = arguments[RequestCommands.integration]
    request.actionType = arguments[RequestCommands.action]
    if let id = arguments[RequestCommands.entity] {
      var entity = Entity()
      entity.type = arguments[RequestCommands.entityType]
      entity.id = id
      entity.displayName = arguments[RequestCommands.entityName]
      request.entity = entity
    }
    request.input = arguments[RequestCommands.input]
    request.idempotencyKey = arguments[RequestCommands.idempotencyKey]
    request.notBefore = arguments[RequestCommands.notBefore]?.timestamp
    return request
  }

  /// Looks again and again, each time after a longer pause, until the log is final.
  private func waitForEnd(
    of id: String, _ client: OperatorServiceClient
  ) async throws -> GetLogResponse {
    var get = GetLogRequest()
    get.id = id
    let request = get
    var wait = Self.firstPause
    while true {
      let reply = try await invocation.call(client) { client throws(RPCError) in
        try await client.getLog(request)
      }
      if reply.log?.status.isFinal == true { return reply }
      try await Task.sleep(for: wait)
      wait = min(wait * 2, Self.longestPause)
    }
  }
}

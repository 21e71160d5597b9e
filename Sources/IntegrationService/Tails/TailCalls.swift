import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire

extension IntegrationService {
  /// Logs as they change, from now on, behind the newest ones.
  public func tailLogs(
    _ request: TailLogsRequestView, _ call: ServerStream<TailLogsResponse>
  ) {
    guard isOperator(call.handle) else { return }
    let fields = request.makeMessage()
    let tail: Tail
    do throws(RPCError) {
      guard fields.recent <= ServiceLimits.maximumPageSize else {
        throw RPCError.invalid(
          "recent", "expected at most \(ServiceLimits.maximumPageSize); it is \(fields.recent)")
      }
      tail = Tail(try selection(fields.filter) ?? LogSelection(), call)
    } catch {
      return call.fail(error)
    }
    // It is watched before the newest logs are read, so that nothing falls between.
    guard tails.add(tail) else {
      return call.fail(.tooManyTails(maximum: configuration.limits.maximumTails))
    }
    tail.activate()
    guard fields.recent > 0 else { return tail.begin(with: []) }
    Task {
      do throws(RPCError) {
        tail.begin(with: try await newest(Int(fields.recent), of: tail.selection))
      } catch {
        tails.remove(tail.token)
        call.fail(error)
      }
    }
  }

  /// The newest logs of a selection, oldest first, encoded.
  private func newest(
    _ count: Int, of selection: LogSelection
  ) async throws(RPCError) -> [(StoredLog, [UInt8])] {
    var logs: [StoredLog] = []
    var query = LogQuery(selection, limit: count)
    // A page may be short because many rows were visited; a few of them are enough for a beginning.
    for _ in 0..<10 where logs.count < count {
      let page: LogPage
      do {
        page = try await store.logs(query)
      } catch {
        throw refusal(error)
      }
      logs += page.logs
      guard let next = page.next else { break }
      query.after = next
      query.limit = max(1, count - logs.count)
    }
    return logs.prefix(count).reversed().map { log in
      (log, TailLogsResponse(log, catalogue).serializedBytes())
    }
  }
}

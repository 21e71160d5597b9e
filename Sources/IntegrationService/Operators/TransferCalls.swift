import IntegrationAPI
import IntegrationModel
import IntegrationStore
import ProtobufRuntime
import RPCServer
import RPCWire
import Synchronization

extension IntegrationService {
  /// Copies the store into a file while the server works; says how far it is.
  public func backUp(
    _ request: BackUpRequestView, _ call: ServerStream<BackUpResponse>
  ) {
    let path = request.path.string
    guard path.hasPrefix("/"), !path.hasSuffix("/"), path.utf8.count <= 3_500 else {
      guard isOperator(call.handle) else { return }
      return call.fail(
        .invalid("path", "expected the absolute path of a file on the server's machine"))
    }
    transfer(call) { [self] stream throws(RPCError) in
      let said = Atomic<UInt64>(.max)
      do throws(StoreFailure) {
        try await store.backUp(to: path) { progress in
          let percent = progress.doneBytes * 100 / max(progress.totalBytes, 1)
          guard percent != said.exchange(percent, ordering: .relaxed) else {
            return !stream.isEnded
          }
          return stream.offer(BackUpResponse(progress))
        }
      } catch {
        throw RPCError(error)
      }
      await note("BackUp", AuditRecord(target: "server", after: ["path": path]), call.principal)
      var last = BackUpResponse()
      last.done = true
      _ = await stream.send(last)
    }
  }

  /// Everything that is stored, as lines of JSON.
  public func exportData(
    _ request: ExportDataRequestView, _ call: ServerStream<ExportDataResponse>
  ) {
    let withoutLogs = request.withoutLogs
    transfer(call) { [self] stream throws(RPCError) in
      await note("ExportData", AuditRecord(target: "server"), call.principal)
      var position = ExportPosition()
      while true {
        let page: ExportPage
        do throws(StoreError) {
          page = try await store.export(after: position, withoutLogs: withoutLogs)
        } catch {
          throw refusal(error)
        }
        for message in ExportDataResponse.messages(page.lines) {
          guard await stream.send(message) else { return }
        }
        guard let next = page.next else { return }
        position = next
      }
    }
  }

  /// Runs a task that fills a stream, and ends the stream.
  private func transfer<Item: ProtobufMessage>(
    _ call: ServerStream<Item>,
    _ body: @escaping @Sendable (PacedStream<Item>) async throws(RPCError) -> Void
  ) {
    guard isOperator(call.handle) else { return }
    let stream = PacedStream(call)
    guard transfers.add(call.token, { stream.end() }) else {
      return call.fail(.tooManyTransfers)
    }
    Task(priority: ReadDesk.priority) {
      defer { transfers.remove(call.token) }
      do throws(RPCError) {
        try await body(stream)
        call.finish()
      } catch {
        call.fail(error)
      }
    }
  }

  /// A step of an import of exported lines into an empty server.
  public func importData(
    _ request: ImportDataRequestView, _ call: ServerCall<ImportDataResponse>
  ) {
    let step = request.makeMessage()
    read(call) { [self] () async throws(RPCError) in
      do throws(StoreFailure) {
        var id = step.importID
        var state =
          id.isEmpty ? try await store.beginImport() : ImportState(id: id, lines: step.firstLine)
        id = state.id
        if !step.lines.isEmpty {
          state = try await store.addToImport(
            id, firstLine: max(step.firstLine, 1), lines: step.lines)
        }
        if step.finish { state = try await store.finishImport(id) }
        if step.finish {
          await takeOverImport()
          let sum = ["lines": "\(state.lines)", "logs": "\(state.logs)"]
          await note("ImportData", AuditRecord(target: "server", after: sum), call.principal)
        }
        return ImportDataResponse(state)
      } catch {
        throw RPCError(error)
      }
    }
  }

  /// Brings memory up to date with what an import has stored.
  private func takeOverImport() async {
    do throws(StoreError) {
      let stored = try await store.loadCatalog()
      catalogue.load(stored)
      for token in stored.tokens { tokens.update(token) }
      loadAgents(stored)
      expectEnds()
      await loadSchedules(stored.schedules)
      retention.set(try await store.retention().rules)
      if let due = stored.nextDue { expect(due: due) }
    } catch {
      configuration.log("level=error event=import_not_loaded \(error)")
    }
  }
}

extension BackUpResponse {
  init(_ progress: BackupProgress) {
    self.init()
    doneBytes = progress.doneBytes
    totalBytes = progress.totalBytes
  }
}

extension ExportDataResponse {
  /// Bytes of lines after which a message ends: well below the limit of a frame.
  private static let messageBytes = 262_144

  /// Lines in messages.
  static func messages(_ lines: [String]) -> [ExportDataResponse] {
    var messages: [ExportDataResponse] = []
    var (message, bytes) = (ExportDataResponse(), 0)
    for line in lines {
      if bytes > 0, bytes + line.utf8.count > messageBytes {
        messages.append(message)
        (message, bytes) = (ExportDataResponse(), 0)
      }
      message.lines.append(line)
      bytes += line.utf8.count
    }
    if !message.lines.isEmpty { messages.append(message) }
    return messages
  }
}

extension ImportDataResponse {
  init(_ state: ImportState) {
    self.init()
    importID = state.id
    lines = state.lines
    logs = state.logs
    integrations = state.integrations
  }
}

extension RPCError {
  static let tooManyTransfers = RPCError(
    .resourceExhausted,
    "\(ServiceLimits.maximumTransfers) exports and backups run, the most that may; try again later",
    reason: Reason.tooManyTransfers)
}

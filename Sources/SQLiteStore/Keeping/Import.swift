import IntegrationStore
import JSONText
import SQLiteDatabase

extension SQLiteStore {
  /// The version of exported lines that is written and read.
  static let exportVersion = 1

  /// Begins an import into an empty store.
  public func beginImport() async throws(StoreFailure) -> ImportState {
    let isEmpty = await loop.betweenBatches { writer in writer.map { (try? $0.isEmpty()) ?? false }
    }
    guard let isEmpty else { throw .unavailable }
    guard isEmpty else { throw .storeNotEmpty }
    await dropStaleImport()
    let keeping = keeping
    let spool = try await keeping.run { () -> Result<ImportSpool, StoreFailure> in
      Result { () throws(StoreFailure) in
        try ImportSpool(
          in: keeping.directory, maximumBytes: keeping.limits.maximumImportBytes)
      }
    }
    let isFirst = keeping.withState { state in
      guard state.spool == nil, !state.isClosed else { return false }
      state.spool = spool
      return true
    }
    guard isFirst else {
      spool.remove()
      throw StoreFailure(
        .failedPrecondition, "IMPORT_RUNNING",
        "another import is under way; it is forgotten 10 minutes after its last step")
    }
    return ImportState(id: spool.id)
  }

  /// Keeps some more lines.
  public func addToImport(
    _ id: String, firstLine: UInt64, lines: [String]
  ) async throws(StoreFailure) -> ImportState {
    let spool = try spool(id)
    do throws(StoreFailure) {
      let taken = try await keeping.run { () -> Result<UInt64, StoreFailure> in
        Result { () throws(StoreFailure) in try spool.add(firstLine: firstLine, lines) }
      }
      return ImportState(id: id, lines: taken)
    } catch {
      forget(spool)
      throw error
    }
  }

  /// Stores everything that was kept, or nothing.
  public func finishImport(_ id: String) async throws(StoreFailure) -> ImportState {
    let spool = try spool(id)
    defer { forget(spool) }
    let loop = loop
    return try await loop.betweenBatches { writer -> Result<ImportState, StoreFailure> in
      guard let writer else { return .failure(.unavailable) }
      return loop.take(spool, writer)
    }.get()
  }

  /// Forgets an import that nobody has added to for a time.
  public func dropStaleImport() async {
    if let spool = keeping.withState({ $0.spool }), spool.isStale { forget(spool) }
  }

  private func spool(_ id: String) throws(StoreFailure) -> ImportSpool {
    guard let spool = keeping.withState({ $0.spool }), spool.id == id else {
      throw StoreFailure(
        .notFound, "IMPORT_UNKNOWN",
        "there is no import \(id.prefix(32)): it has ended, failed, or was forgotten after 10 "
          + "minutes; begin again")
    }
    return spool
  }

  private func forget(_ spool: ImportSpool) {
    keeping.withState { state in
      if state.spool === spool { state.spool = nil }
    }
    spool.remove()
  }
}

extension StoreFailure {
  static let storeNotEmpty = StoreFailure(
    .failedPrecondition, "STORE_NOT_EMPTY",
    "an import needs a server without integrations, also without one that is still being deleted; "
      + "start one with an empty data directory")

  static func importInvalid(_ line: Int, _ message: String) -> StoreFailure {
    StoreFailure(
      .invalidArgument, "IMPORT_INVALID", "line \(line): \(message); nothing was imported")
  }
}

extension WriterLoop {
  /// Logs after which an import writes what is kept beside rows.
  private static let flushedLogs: UInt64 = 1_000

  /// Stores the lines of an import in one transaction; on the writer's queue.
  ///
  /// Nobody else writes meanwhile: the store is empty, so nobody misses it.
  fileprivate func take(
    _ spool: ImportSpool, _ writer: Writer
  ) -> Result<ImportState, StoreFailure> {
    do {
      guard try writer.isEmpty() else { throw StoreFailure.storeNotEmpty }
      try writer.database.execute("BEGIN IMMEDIATE")
      let state = try Self.fill(writer, spool)
      try writer.database.execute("COMMIT")
      try writer.reload()
      try makeErrandDurable(writer)
      return .success(state)
    } catch {
      writer.database.rollBack()
      do { try writer.reload() } catch { fail(error) }
      switch error {
      case let error as StoreFailure: return .failure(error)
      case let error as SQLiteError where error.isFull: return .failure(.storageFull)
      default:
        fail(error)
        return .failure(.unavailable)
      }
    }
  }

  private static func fill(_ writer: Writer, _ spool: ImportSpool) throws -> ImportState {
    let importing = ImportWriter(writer)
    var flushed: UInt64 = 0
    try spool.forEachLine { number, line in
      do {
        try take(line, number, importing)
      } catch let fault as ImportFault {
        throw StoreFailure.importInvalid(number, fault.message)
      } catch let fault as JSONFault {
        throw StoreFailure.importInvalid(number, fault.description)
      }
      if importing.logs - flushed >= flushedLogs {
        flushed = importing.logs
        try writer.flush()
      }
    }
    guard spool.lines > 0 else { throw StoreFailure.importInvalid(1, "expected a header") }
    try writer.flush()
    let problems = try StoreInvariants(database: writer.database).problemsOfRows()
    if let problem = problems.first {
      throw StoreFailure.importInvalid(
        Int(spool.lines), "the lines do not fit together: \(problem)")
    }
    return ImportState(
      id: spool.id, lines: spool.lines, logs: importing.logs,
      integrations: UInt64(importing.integrations.count))
  }

  private static func take(_ line: String, _ number: Int, _ importing: ImportWriter) throws {
    guard case .object(let object) = try JSONParser.parse(line),
      case .string(let kind)? = object["kind"]
    else { throw ImportFault("expected an object with a \"kind\"") }
    var members = object.dictionary
    members["kind"] = nil
    if number == 1 || kind == "header" {
      guard number == 1, kind == "header" else {
        throw ImportFault("expected the line of kind \"header\" first, and once")
      }
      guard members["version"] == .number(Double(SQLiteStore.exportVersion)) else {
        throw ImportFault(
          "expected \"version\" \(SQLiteStore.exportVersion); a newer server wrote other lines")
      }
      return
    }
    switch kind {
    case LogExport.kind: return try LogExport.take(members, isPart: false, importing)
    case LogExport.partKind: return try LogExport.take(members, isPart: true, importing)
    default:
      guard let known = ExportKinds.all.first(where: { $0.kind == kind }) else {
        throw ImportFault("no line is of kind \"\(kind.prefix(64))\"")
      }
      try known.take(members, importing)
    }
  }
}

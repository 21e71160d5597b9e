import IntegrationModel
import IntegrationStore
import SQLiteDatabase
import TestSupport
import Testing

@testable import SQLiteStore

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct DurabilityTests {
  @Test("A second server on the same directory is refused with a sentence")
  func inUse() async throws {
    let harness = try await StoreHarness(.sqlite)
    let error = #expect(throws: StoreError.self) {
      _ = try SQLiteStore(directory: harness.scratch.file("data"))
    }
    #expect(error?.code == .inUse)
    #expect(error?.message.contains("in use by another server") == true)
  }

  @Test("A database of a newer program is refused and stays as it is")
  func newerSchema() async throws {
    let scratch = try ScratchDirectory()
    await (try SQLiteStore(directory: scratch.file("data"))).close()
    let file = scratch.file("data") + "/integrations.db"
    try SQLiteConnection(path: file).execute("PRAGMA user_version = 99")
    let error = #expect(throws: StoreError.self) {
      _ = try SQLiteStore(directory: scratch.file("data"))
    }
    #expect(error?.code == .newerSchema)
    let version = try SQLiteConnection(path: file).rows("PRAGMA user_version").first?.first
    #expect(version == .integer(99))
  }

  @Test("A database of another program is refused")
  func foreignDatabase() async throws {
    let scratch = try ScratchDirectory()
    await (try SQLiteStore(directory: scratch.file("data"))).close()
    let file = scratch.file("data") + "/integrations.db"
    try SQLiteConnection(path: file).execute("PRAGMA application_id = 7")
    let error = #expect(throws: StoreError.self) {
      _ = try SQLiteStore(directory: scratch.file("data"))
    }
    #expect(error?.code == .damaged)
  }

  @Test("Bytes that are no database are refused")
  func noDatabase() throws {
    let scratch = try ScratchDirectory()
    try scratch.write(String(repeating: "no database ", count: 1_000), to: "integrations.db")
    let error = #expect(throws: StoreError.self) { _ = try SQLiteStore(directory: scratch.path) }
    #expect(error?.code == .damaged)
  }

  @Test("A path through a file is no directory")
  func notADirectory() throws {
    let scratch = try ScratchDirectory()
    try scratch.write("x", to: "file")
    let error = #expect(throws: StoreError.self) {
      _ = try SQLiteStore(directory: scratch.file("file"))
    }
    #expect(error?.code == .notADirectory)
  }

  @Test("A directory is opened where its name cannot be brought to disk")
  func unsyncableName() async throws {
    let scratch = try ScratchDirectory()
    let directory = open(scratch.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { close(directory) }
    // The kernel refuses to sync the folder that this name stands in.
    let store = try SQLiteStore(directory: "/proc/self/fd/\(directory)")
    await store.close()
    #expect(access(scratch.file("integrations.db"), F_OK) == 0)
  }

  @Test("The directory is made for the server's user alone, with its parents")
  func privateDirectory() async throws {
    let scratch = try ScratchDirectory()
    let path = scratch.file("a//b/data/")
    let store = try SQLiteStore(directory: path)
    for (name, mode) in [(path, mode_t(0o700)), (path + "/integrations.db", 0o600)] {
      var information = stat()
      #expect(stat(name, &information) == 0)
      #expect(information.st_mode & 0o777 == mode)
    }
    await store.close()
  }

  @Test("Without space commands fail, reads go on, and writes go on when there is space again")
  func storageFull() async throws {
    var limits = StoreLimits()
    limits.maximumDatabaseBytes = 400_000
    let harness = try await StoreHarness(.sqlite, limits: limits)
    var stored: [LogID] = []
    var failure: StoreFailure?
    let big = String(repeating: "x", count: 20_000)
    while failure == nil, stored.count < 100 {
      let id = harness.newID()
      do {
        try await harness.report(id, .completed, sequence: 1, Report(result: big))
        stored.append(id)
      } catch let refused as StoreFailure {
        failure = refused
      }
    }
    #expect(failure?.reason == "STORAGE_FULL")
    #expect(failure?.kind == .resourceExhausted)
    #expect(!stored.isEmpty)
    let page = try await harness.store.logs(LogQuery(limit: 1_000))
    #expect(page.logs.count == stored.count)
    await harness.store.close()

    let roomy = try SQLiteStore(directory: harness.scratch.file("data"))
    roomy.start(observer: CommitRecorder())
    let again = harness.on(roomy)
    try await again.report(again.newID(), .completed, sequence: 1, Report(result: big))
    #expect(try await roomy.logs(LogQuery(limit: 1_000)).logs.count == stored.count + 1)
    await roomy.close()
  }

  @Test(
    "Where a full disk is why a database cannot be opened, the error says so",
    arguments: [Int32(13), 4874])
  func openingOnFullDisk(code: Int32) {
    let error = SQLiteError(extendedCode: code, message: "disk I/O error")
    let said = Opening.storeError(error, "/data")
    #expect(said.message.contains("the disk below /data is full"))
  }

  @Test("A full disk refuses some commands and takes later ones that fit")
  func fullThenSmall() async throws {
    var limits = StoreLimits()
    limits.maximumDatabaseBytes = 600_000
    let harness = try await StoreHarness(.sqlite, limits: limits)
    await harness.expectFailure(.resourceExhausted, "STORAGE_FULL") {
      try await harness.report(
        harness.newID(), .completed, sequence: 1,
        Report(agent: "agent-new", result: String(repeating: "x", count: 900_000)))
    }
    let id = harness.newID()
    try await harness.report(id, .completed, sequence: 1, Report(agent: "agent-new"))
    #expect(try await harness.detail(id).log.agentID == "agent-new")
  }

  @Test("Everything acknowledged is there after the files are copied from under the server")
  func copiedFiles() async throws {
    let harness = try await StoreHarness(.sqlite)
    var ids: [LogID] = []
    for _ in 0..<20 {
      let id = harness.newID()
      try await harness.report(id, .completed, sequence: 1)
      ids.append(id)
    }
    // As a kill leaves them: no checkpoint, no close.
    let copy = try ScratchDirectory()
    for name in ["integrations.db", "integrations.db-wal"] {
      let bytes = try Program.bytes(of: harness.scratch.file("data/") + name)
      try Program.write(bytes, to: copy.file(name))
    }
    let store = try SQLiteStore(directory: copy.path)
    #expect(Set(try await store.logs(LogQuery()).logs.map(\.id)) == Set(ids))
    await store.close()
  }

  @Test("A start writes the log of a killed server once more: the cache alone may have it")
  func renewedLog() async throws {
    let harness = try await StoreHarness(.sqlite)
    for _ in 0..<20 { try await harness.report(harness.newID(), .completed, sequence: 1) }
    let copy = try ScratchDirectory()
    for name in ["integrations.db", "integrations.db-wal"] {
      let bytes = try Program.bytes(of: harness.scratch.file("data/") + name)
      try Program.write(bytes, to: copy.file(name))
    }
    let log = copy.file("integrations.db-wal")
    let before = try Program.bytes(of: log)
    var times = [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1, tv_usec: 0)]
    #expect(utimes(log, &times) == 0)
    let store = try SQLiteStore(directory: copy.path)
    var information = stat()
    #expect(stat(log, &information) == 0)
    #expect(information.st_mtim.tv_sec > 1)
    // Opening may add a page of its own behind what was there.
    #expect(try Program.bytes(of: log).prefix(before.count) == before[...])
    #expect(try await store.logs(LogQuery()).logs.count == 20)
    await store.close()
  }

  /// A log of three pages in a directory of its own, and where it has no room for them again.
  private static func makeLog() throws -> (scratch: ScratchDirectory, log: String) {
    let scratch = try ScratchDirectory()
    try scratch.write(String(repeating: "log ", count: 3_000), to: "x.db-wal")
    return (scratch, scratch.file("x.db-wal"))
  }

  private static func refuse(_ file: Int32, _ bytes: ArraySlice<UInt8>, _ offset: Int) -> Int {
    errno = ENOSPC
    return -1
  }

  /// Whether the cache of a file can be emptied where tests have theirs.
  static let canForget: Bool = {
    guard let (scratch, log) = try? makeLog() else { return false }
    let file = open(log, O_RDWR | O_CLOEXEC)
    defer { close(file) }
    return withExtendedLifetime(scratch) { fsync(file) == 0 && FileCache.drop(file) }
  }()

  @Test("A log that has no room to be written again, and that the cache keeps, ends the start")
  func keptLog() throws {
    let (scratch, log) = try Self.makeLog()
    let database = scratch.file("x.db")
    let file = open(log, O_RDWR | O_CLOEXEC)
    defer { close(file) }
    // What is mapped and used cannot be forgotten.
    let bytes = 12_000
    let place = try #require(mmap(nil, bytes, PROT_READ, MAP_SHARED, file, 0))
    #expect(place != MAP_FAILED && place.load(as: UInt8.self) == 0x6c)
    #expect(mlock(place, bytes) == 0)
    let error = #expect(throws: StoreError.self) {
      try WriteAheadLog.renew(database: database, write: Self.refuse)
    }
    #expect(error?.message.contains("free space there, then start again") == true)
    munmap(place, bytes)
    try WriteAheadLog.renew(database: database)
  }

  @Test(
    "A log that has no room to be written again is read from the disk",
    .enabled(if: canForget, "skipped: this file system keeps files in memory"))
  func forgottenLog() throws {
    let (scratch, log) = try Self.makeLog()
    let before = try Program.bytes(of: log)
    try WriteAheadLog.renew(database: scratch.file("x.db"), write: Self.refuse)
    #expect(try Program.bytes(of: log) == before)
    // Where there is no log, there is nothing to write.
    try WriteAheadLog.renew(database: scratch.file("y.db"), write: Self.refuse)
  }

  @Test("Commands that arrive during a commit share the next one")
  func groupCommit() async throws {
    let harness = try await StoreHarness(.sqlite)
    let (integration, now) = (harness.integration, harness.now)
    let ids = (0..<500).map { _ in harness.newID() }
    for (number, id) in ids.enumerated() {
      let taken = harness.store.submit { batch in
        let command = Report().command(
          id, .completed, sequence: 1, integration: integration, in: &batch)
        batch.append(report: command, now: now, origin: .token(UInt64(number), 0))
      }
      #expect(taken)
    }
    try await harness.expire()
    #expect(harness.recorder.answers.count == 500)
    #expect(harness.recorder.batches.count < 300)
  }

  @Test("A command that breaks a rule of the database fails alone, and counts stay right")
  func ruleBroken() async throws {
    let first = try await StoreHarness(.sqlite)
    await first.store.close()
    // A rule that no check of the store knows stands for a fault of the store.
    try SQLiteConnection(path: first.scratch.file("data") + "/integrations.db").execute(
      """
      CREATE TRIGGER poison BEFORE INSERT ON record_errors WHEN new.reference = 'poison'
      BEGIN SELECT RAISE(ABORT, 'poison'); END
      """)
    let store = try SQLiteStore(directory: first.scratch.file("data"))
    let recorder = CommitRecorder(wantsLogEvents: true)
    store.start(observer: recorder)
    let harness = first.on(store)
    let (integration, now) = (harness.integration, harness.now)
    let ids = (0..<3).map { _ in harness.newID() }
    let taken = store.submit { batch in
      for (number, reference) in ["fine", "poison", "fine"].enumerated() {
        let error = StoredRecordError(
          referenceID: reference, message: "m", cause: "", isRetryable: false)
        let command = Report(agent: "agent-\(number)", errors: [error]).command(
          ids[number], .failed, sequence: 1, integration: integration, in: &batch)
        batch.append(report: command, now: now, origin: .token(UInt64(number), 0))
      }
    }
    #expect(taken)
    try await harness.expire()
    guard case .reported = recorder.answers[0], case .failed(let failure) = recorder.answers[1],
      case .reported = recorder.answers[2]
    else {
      Issue.record("expected one failure of three: \(recorder.answers)")
      return
    }
    #expect(failure.reason == "INTERNAL")
    #expect(try await store.logs(LogQuery()).logs.map(\.id) == [ids[2], ids[0]])
    #expect(try await store.counts([], now: now).first?.logs == 2)
    let changed = recorder.takeEvents().filter {
      if case .logChanged = $0 { true } else { false }
    }
    #expect(changed.count == 2)
    await store.close()
  }

  @Test("Many agents and kinds of records are told apart")
  func manyNames() async throws {
    let harness = try await StoreHarness(.sqlite)
    let (integration, now) = (harness.integration, harness.now)
    let ids = (0..<300).map { _ in harness.newID() }
    let taken = harness.store.submit { batch in
      for (number, id) in ids.enumerated() {
        let entity = EntityReference(type: "kind-\(number)", id: "1")
        let command = Report(agent: "agent-\(number)", entity: entity).command(
          id, .completed, sequence: 1, integration: integration, in: &batch)
        batch.append(report: command, now: now, origin: .none)
      }
    }
    #expect(taken)
    try await harness.expire()
    let logs = try await harness.store.logs(LogQuery(order: .oldestFirst, limit: 1_000)).logs
    #expect(logs.map(\.agentID) == (0..<300).map { "agent-\($0)" })
    #expect(logs.map(\.entity.type) == (0..<300).map { "kind-\($0)" })
  }

  @Test("A closed store takes nothing and reads nothing")
  func closed() async throws {
    let harness = try await StoreHarness(.sqlite)
    await harness.store.close()
    await harness.expectFailure(.resourceExhausted, "STORE_BUSY") { try await harness.expire() }
    await #expect(throws: StoreError.self) { _ = try await harness.store.logs(LogQuery()) }
  }

  @Test("A full batch refuses more until it is committed")
  func pendingLimit() async throws {
    var limits = StoreLimits()
    limits.maximumPendingCommands = 0
    let store = try SQLiteStore(directory: ScratchDirectory().file("data"), limits: limits)
    #expect(!store.submit { _ in Issue.record("a full batch was filled") })
    await store.close()
  }
}

extension Program {
  static func bytes(of path: String) throws -> [UInt8] {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { throw SystemCallFailed("open") }
    defer { close(file) }
    let size = Int(lseek(file, 0, SEEK_END))
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = max(0, pread(file, buffer.baseAddress, size, 0))
    }
  }

  static func write(_ bytes: [UInt8], to path: String) throws {
    let file = open(path, O_WRONLY | O_CREAT, 0o600)
    guard file >= 0 else { throw SystemCallFailed("open") }
    defer { close(file) }
    guard Glibc.write(file, bytes, bytes.count) == bytes.count else {
      throw SystemCallFailed("write")
    }
  }
}

import Glibc
import IntegrationModel
import IntegrationStore
import SQLiteDatabase
import Synchronization
import TestSupport
import Testing

@testable import SQLiteStore

/// Backups, restores and checks.
@Suite struct BackupTests {
  private func fill(_ harness: StoreHarness, _ count: Int) async throws -> [LogID] {
    var ids: [LogID] = []
    for _ in 0..<count {
      let id = harness.newID()
      try await harness.report(id, .completed, sequence: 1)
      ids.append(id)
    }
    return ids
  }

  private func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  @Test("A server that starts on a backup made under load has all that was told before it began")
  func underLoad() async throws {
    let harness = try await StoreHarness(.sqlite)
    var report = Report()
    report.result = String(repeating: "x", count: 4_000)
    for _ in 0..<1_000 {
      try await harness.report(harness.newID(), .completed, sequence: 1, report)
    }
    let before = try await fill(harness, 50)
    let path = harness.scratch.file("copy.db")
    let steps = Mutex(0)
    let load = Task {
      while !Task.isCancelled {
        try await harness.report(harness.newID(), .completed, sequence: 1, report)
      }
    }
    try await harness.store.backUp(to: path) { _ in
      steps.withLock { $0 += 1 }
      return true
    }
    load.cancel()
    _ = await load.result
    #expect(steps.withLock { $0 } > 3)
    var information = stat()
    #expect(stat(path, &information) == 0)
    #expect(information.st_mode & 0o777 == 0o600)
    #expect(!exists(path + BackupFile.suffix))
    let data = harness.scratch.file("restored")
    try SQLiteStore.restore(path, into: data)
    let restored = harness.on(try SQLiteStore(directory: data))
    for id in before { #expect(try await restored.status(id) == .completed) }
    #expect(try await restored.store.check().problems == [])
    await restored.store.close()
    #expect(throws: StoreError.self) { try SQLiteStore.restore(path, into: data) }
    try await harness.store.backUp(to: harness.scratch.file("second.db")) { _ in true }
  }

  @Test("A backup onto an existing file, or into no directory, changes nothing")
  func refusals() async throws {
    let harness = try await StoreHarness(.sqlite)
    let path = harness.scratch.file("there.db")
    close(open(path, O_CREAT | O_WRONLY, 0o600))
    await harness.expectFailure(.alreadyExists, "BACKUP_FILE_EXISTS") {
      try await harness.store.backUp(to: path) { _ in true }
    }
    #expect(!exists(path + BackupFile.suffix))
    let nowhere = harness.scratch.file("no/such/directory.db")
    await harness.expectFailure(.failedPrecondition, "BACKUP_NOT_POSSIBLE") {
      try await harness.store.backUp(to: nowhere) { _ in true }
    }
    #expect(throws: StoreError.self) {
      try SQLiteStore.restore(path, into: harness.scratch.file("other"))
    }
  }

  @Test("A backup that is cancelled leaves nothing")
  func cancelled() async throws {
    let harness = try await StoreHarness(.sqlite)
    _ = try await fill(harness, 100)
    let path = harness.scratch.file("never.db")
    await harness.expectFailure(.aborted, "BACKUP_CANCELLED") {
      try await harness.store.backUp(to: path) { _ in false }
    }
    #expect(!exists(path) && !exists(path + BackupFile.suffix))
    #expect(!exists(harness.scratch.file("data/backup.unfinished")))
    try await harness.store.backUp(to: path) { _ in true }
  }

  @Test("The next start removes what a killed server left half done")
  func leftovers() async throws {
    let harness = try await StoreHarness(.sqlite)
    await harness.store.close()
    let data = harness.scratch.file("data")
    let file = try BackupFile(harness.scratch.file("half.db"), directory: data)
    let spool = try ImportSpool(in: data, maximumBytes: 100)
    #expect(exists(file.partial) && exists(spool.path))
    let store = try SQLiteStore(directory: data)
    #expect(!exists(file.partial) && !exists(spool.path))
    await store.close()
  }

  @Test("An unfinished backup is named before it is there, and not once it is gone")
  func marker() async throws {
    let harness = try await StoreHarness(.sqlite)
    let data = harness.scratch.file("data")
    let marker = data + "/backup.unfinished"
    let nowhere = harness.scratch.file("no/such/directory.db")
    #expect(throws: StoreFailure.self) { _ = try BackupFile(nowhere, directory: data) }
    #expect(!exists(marker))
    let path = harness.scratch.file("half.db")
    let file = try BackupFile(path, directory: data)
    #expect(exists(marker))
    // Another's unfinished file is not named: the next start would remove it.
    #expect(throws: StoreFailure.self) {
      _ = try BackupFile(path, directory: harness.scratch.path)
    }
    #expect(!exists(harness.scratch.file("backup.unfinished")))
    file.remove()
    #expect(!exists(marker) && !exists(file.partial))
    // What cannot be removed stays named.
    let stuck = try BackupFile(path, directory: data)
    unlink(stuck.partial)
    mkdir(stuck.partial, 0o700)
    stuck.remove()
    #expect(exists(marker))
    rmdir(stuck.partial)
    // The next backup, whatever its name, removes it first.
    try Program.write([1], to: stuck.partial)
    let other = try BackupFile(harness.scratch.file("other.db"), directory: data)
    #expect(!exists(stuck.partial) && exists(other.partial) && exists(marker))
    other.remove()
    #expect(!exists(marker))
  }

  @Test("A restore takes nothing from a log that another database left")
  func oldLog() async throws {
    let harness = try await StoreHarness(.sqlite)
    let kept = try await fill(harness, 20)
    let path = harness.scratch.file("copy.db")
    try await harness.store.backUp(to: path) { _ in true }
    let later = try await fill(harness, 200)
    // As where the database was lost and its log was not: no checkpoint, no close.
    let data = harness.scratch.file("again")
    mkdir(data, 0o700)
    let log = try Program.bytes(of: harness.scratch.file("data/integrations.db-wal"))
    try Program.write(log, to: data + "/integrations.db-wal")
    try SQLiteStore.restore(path, into: data)
    let restored = harness.on(try SQLiteStore(directory: data))
    #expect(try await restored.store.check().problems == [])
    for id in kept { #expect(try await restored.status(id) == .completed) }
    #expect(try await restored.store.log(later[0], errorsAfter: 0, errorLimit: 1) == nil)
    await restored.store.close()
  }

  @Test("A backup that is cut off, or has a damaged page, is refused and leaves nothing")
  func damagedBackups() async throws {
    let harness = try await StoreHarness(.sqlite)
    _ = try await fill(harness, 500)
    let path = harness.scratch.file("copy.db")
    try await harness.store.backUp(to: path) { _ in true }
    let whole = try Program.bytes(of: path)
    var noisy = whole
    noisy.replaceSubrange(
      4 * 4_096..<5 * 4_096 - 96, with: repeatElement(0xA5, count: 4_000))
    let cases: [(bytes: [UInt8], said: String)] = [
      (Array(whole.prefix(100_000)), "it has 100000 bytes, its header says \(whole.count)"),
      (noisy, "is damaged"),
    ]
    for (number, (bytes, said)) in cases.enumerated() {
      let damaged = harness.scratch.file("damaged-\(number).db")
      try Program.write(bytes, to: damaged)
      let data = harness.scratch.file("data-\(number)")
      let error = #expect(throws: StoreError.self) {
        try SQLiteStore.restore(damaged, into: data)
      }
      #expect(error?.code == .damaged)
      #expect(error?.message.contains(damaged) == true && error?.message.contains(said) == true)
      #expect(!exists(data + "/integrations.db") && !exists(data + "/integrations.db.restoring"))
      // With nothing left, a good one is taken.
      try SQLiteStore.restore(path, into: data)
      await (try SQLiteStore(directory: data)).close()
    }
  }

  @Test("A database of another program is refused and left as it is")
  func foreign() async throws {
    let scratch = try ScratchDirectory()
    mkdir(scratch.file("data"), 0o700)
    let path = scratch.file("data/integrations.db")
    do { try SQLiteConnection(path: path).execute("CREATE TABLE t(a)") }
    let before = try Program.bytes(of: path)
    let error = #expect(throws: StoreError.self) {
      try SQLiteStore(directory: scratch.file("data"))
    }
    #expect(error?.code == .damaged && error?.message.contains("another program") == true)
    #expect(try Program.bytes(of: path) == before)
  }

  static let faults: [(sql: String, word: String)] = [
    ("UPDATE action_counts SET logs = logs + 1", "counts"),
    ("UPDATE status_sizes SET bytes = bytes - 1", "bytes"),
    ("DELETE FROM timeline WHERE n = 1", "timeline"),
    ("DELETE FROM entity_tail", "index of records"),
    ("DELETE FROM requests", "request"),
    ("DELETE FROM log_digests WHERE part = 3", "misses a part"),
    ("UPDATE log_digests SET bits = zeroblob(length(bits)) WHERE part = 0", "digest"),
    ("INSERT INTO record_errors VALUES(1, zeroblob(16), 1, '', '', '', 0)", "record_errors"),
    ("UPDATE logs SET action = 77 WHERE status = 3", "actions"),
  ]

  @Test("A check finds what was planted", arguments: faults.indices)
  func planted(number: Int) async throws {
    let fault = Self.faults[number]
    var limits = StoreLimits()
    limits.digestLogs = 32
    let harness = try await StoreHarness(.sqlite, limits: limits)
    _ = try await fill(harness, 100)
    let id = harness.newID()
    try await harness.report(id, .inProgress, sequence: 1)
    try await harness.report(id, .completed, sequence: 2)
    try await harness.request()
    #expect(try await harness.store.check().problems == [])
    await harness.store.close()
    let path = harness.scratch.file("data/integrations.db")
    let database = try SQLiteConnection(path: path, mode: .readWrite)
    try database.execute(fault.sql)
    let reader = try Opening.openReader(path: path, limits)
    let problems = try StoreChecker(reader).run().problems
    #expect(problems.contains { $0.contains(fault.word) }, "\(problems)")
  }

  @Test("A check finds pages that are damaged")
  func damaged() async throws {
    let harness = try await StoreHarness(.sqlite)
    _ = try await fill(harness, 2_000)
    await harness.store.close()
    let path = harness.scratch.file("data/integrations.db")
    let file = open(path, O_RDWR)
    var noise = [UInt8](repeating: 0xA5, count: 40_960)
    for page in 20..<40 { pwrite(file, &noise, 2_048, off_t(page * 4_096 + 8)) }
    close(file)
    let reader = try? Opening.openReader(path: path, StoreLimits())
    let problems = (try? reader.map { try StoreChecker($0).run().problems }) ?? ["not readable"]
    #expect(!problems.isEmpty)
  }
}

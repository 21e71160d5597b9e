import Dispatch
import IntegrationModel
import IntegrationStore
import TestSupport
import Testing

@testable import SQLiteStore

@Suite("What waits for the writer") struct PendingCommandsTests {
  private static let now = Instant(milliseconds: 1_790_000_000_000)

  /// A command that is known by its number and the integration whose order it keeps.
  private struct Command: Hashable {
    var number: UInt64
    var integration: UInt64 = 0
  }

  private static func add(
    _ number: UInt64, _ order: CommandOrder, bytes: Int = 0, to pending: inout PendingCommands
  ) -> Bool {
    let integration = if case .integration(let id) = order { UInt64(id) } else { UInt64(0) }
    return pending.add(order) { batch in
      if bytes > 0 { _ = batch.text(String(repeating: "x", count: bytes)) }
      batch.append(.keepJournal, now: now, origin: .token(number, integration))
    }
  }

  /// Adds commands of an integration at once; the pieces in which they came, nil: they did not.
  private static func addAtOnce(
    _ numbers: Range<UInt64>, of integration: IntegrationID, errors: Int = 0, bytes: Int = 0,
    to pending: inout PendingCommands
  ) -> [Int]? {
    var (next, pieces) = (numbers.lowerBound, [Int]())
    let isTaken = pending.add(of: integration) { batch, piece in
      if piece == pieces.count { pieces.append(0) }
      pieces[piece] += 1
      for _ in 0..<errors {
        batch.append(
          recordError: RecordErrorText(
            referenceID: .empty, message: .empty, cause: .empty, isRetryable: false))
      }
      if bytes > 0 { _ = batch.text(String(repeating: "x", count: bytes)) }
      batch.append(.keepJournal, now: now, origin: .token(next, UInt64(integration)))
      next += 1
      return next < numbers.upperBound
    }
    return isTaken ? pieces : nil
  }

  /// The next batch's commands; nil: nothing waits.
  private static func take(_ pending: inout PendingCommands) -> [Command]? {
    var batch = CommandBatch()
    guard pending.takeNext(replacing: &batch) else { return nil }
    return batch.entries.map { entry in
      guard case .token(let number, let integration) = entry.origin else {
        return Command(number: .max)
      }
      return Command(number: number, integration: integration)
    }
  }

  @Test("A report of others waits for one group of an integration that has many")
  func turns() {
    var pending = PendingCommands(StoreLimits())
    for number in 0..<10_000 { #expect(Self.add(UInt64(number), .integration(1), to: &pending)) }
    var taken = 0
    var number: UInt64 = 20_000
    while taken < 10_000 {
      #expect(Self.add(number, .integration(2), to: &pending))
      var batches: [[Command]] = []
      repeat {
        batches.append(Self.take(&pending) ?? [])
      } while batches.count < 2 && batches.last?.contains { $0.number == number } == false
      #expect(batches.last?.contains { $0.number == number } == true)
      #expect(batches.allSatisfy { $0.count <= PendingCommands.share + 1 })
      taken += batches.joined().count { $0.integration == 1 }
      number += 1
    }
    #expect(taken == 10_000)
  }

  @Test("What an integration sends at once is done in pieces, and others come in between")
  func pieces() {
    var pending = PendingCommands(StoreLimits())
    let pieces = Self.addAtOnce(0..<85, of: 1, errors: 100, to: &pending)
    #expect(pieces == [Int](repeating: 3, count: 28) + [1])
    #expect(Self.add(1_000, .integration(1), to: &pending))
    #expect(Self.add(2_000, .integration(2), to: &pending))
    var taken = Self.take(&pending) ?? []
    #expect(taken.map(\.number) == [0, 1, 2, 2_000])
    while let batch = Self.take(&pending) {
      #expect(batch.count <= 3)
      taken += batch
    }
    let own = taken.filter { $0.integration == 1 }.map(\.number)
    #expect(own == Array(0..<85) + [1_000])
    // Long texts make pieces as many errors do; commands alone are one.
    #expect(Self.addAtOnce(0..<5, of: 3, bytes: 100_000, to: &pending) == [3, 2])
    #expect(Self.addAtOnce(0..<1_000, of: 4, errors: 0, to: &pending) == [1_000])
  }

  @Test("What is sent at once is taken whole or not at all")
  func wholeOrNot() {
    var limits = StoreLimits()
    limits.maximumPendingCommands = 600
    var pending = PendingCommands(limits)
    #expect(Self.addAtOnce(0..<1_000, of: 1, to: &pending)?.reduce(0, +) == 1_000)
    #expect(Self.addAtOnce(0..<2, of: 1, to: &pending) == nil)
    #expect(Self.addAtOnce(0..<2, of: 2, to: &pending) == nil)
    var taken = 0
    while let batch = Self.take(&pending) { taken += batch.count }
    #expect(taken == 1_000)
    #expect(pending.isEmpty)
  }

  @Test("A single integration's commands stay in their order, none is lost and none done twice")
  func oneIntegration() {
    var pending = PendingCommands(StoreLimits())
    for number in 0..<5_000 { #expect(Self.add(UInt64(number), .integration(7), to: &pending)) }
    var taken: [UInt64] = []
    while let batch = Self.take(&pending) { taken += batch.map(\.number) }
    #expect(taken == (0..<5_000).map { UInt64($0) })
    #expect(pending.isEmpty)
  }

  @Test("Whatever comes when, orders are kept", arguments: 1...40)
  func random(seed: UInt64) {
    var numbers = SeededNumbers(seed: seed)
    var pending = PendingCommands(StoreLimits())
    var orders: [CommandOrder] = []
    var taken: [Int] = []
    /// Takes a batch; what must come before each command has been taken.
    func takeOne() {
      guard let batch = Self.take(&pending) else { return }
      taken += batch.map { Int($0.number) }
    }
    for _ in 0..<400 {
      // Rarely a crowd of one integration, which fills its share.
      let isCrowd = Int.random(in: 0..<6, using: &numbers) == 0
      let integration = IntegrationID.random(in: 1...3, using: &numbers) * 256
      if isCrowd, Bool.random(using: &numbers) {
        let all = UInt64(orders.count)..<UInt64(orders.count) + 700
        #expect(Self.addAtOnce(all, of: integration, errors: 3, to: &pending) != nil)
        orders += Array(repeating: .integration(integration), count: 700)
        continue
      }
      for _ in 0..<(isCrowd ? 300 : Int.random(in: 1...3, using: &numbers)) {
        let order: CommandOrder =
          switch isCrowd ? 9 : Int.random(in: 0..<10, using: &numbers) {
          case 0...2: .common
          case 3: .last
          case 4: .integration(5)
          default: .integration(integration)
          }
        #expect(Self.add(UInt64(orders.count), order, to: &pending))
        orders.append(order)
      }
      for _ in 0..<Int.random(in: 0...3, using: &numbers) { takeOne() }
    }
    while !pending.isEmpty { takeOne() }
    #expect(taken.sorted() == Array(orders.indices))
    Self.check(taken, orders)
  }

  private static func check(_ taken: [Int], _ orders: [CommandOrder]) {
    var place = [Int](repeating: 0, count: orders.count)
    for (position, number) in taken.enumerated() { place[number] = position }
    // The latest place of all that came before, of each kind.
    var (common, all) = (-1, -1)
    var ofIntegrations: [IntegrationID: Int] = [:]
    for (number, order) in orders.enumerated() {
      let own = place[number]
      #expect(own > common, "\(number) has overtaken one that is common")
      switch order {
      case .common: common = max(common, own)
      case .last: #expect(own > all, "\(number) was to be behind all")
      case .integration(let id):
        #expect(own > ofIntegrations[id, default: -1], "\(number) has overtaken one of its own")
        ofIntegrations[id] = own
      }
      all = max(all, own)
    }
  }

  @Test("What comes behind the last waits for the crowd, and no longer")
  func last() {
    var pending = PendingCommands(StoreLimits())
    for number in 0..<1_000 { #expect(Self.add(UInt64(number), .integration(1), to: &pending)) }
    #expect(Self.add(5_000, .last, to: &pending))
    var before = 0
    var more: UInt64 = 1_000
    while let batch = Self.take(&pending) {
      if batch.contains(where: { $0.number == 5_000 }) { break }
      before += batch.count
      // The crowd goes on without end.
      for _ in 0..<200 {
        #expect(Self.add(more, .integration(1), to: &pending))
        more += 1
      }
    }
    #expect(before >= 1_000)
    #expect(before < 1_000 + 2 * PendingCommands.share)
  }

  @Test("Beside several lanes and others in each turn, groups stay large and all get their turn")
  func lanes() {
    var pending = PendingCommands(StoreLimits())
    var (sent, taken) = ([UInt64](repeating: 0, count: 5), [Int](repeating: 0, count: 5))
    // A thousand of each of four integrations are in flight: whatever is done comes anew.
    func send(_ integration: Int) {
      #expect(Self.add(sent[integration], .integration(Int64(integration)), to: &pending))
      sent[integration] += 1
    }
    for integration in 1...4 { for _ in 0..<1_000 { send(integration) } }
    var groups: [Int] = []
    for _ in 0..<400 {
      #expect(Self.add(0, .common, to: &pending))
      let batch = Self.take(&pending) ?? []
      let crowd = batch.filter { $0.integration > 0 }
      if crowd.count > 0, crowd.count == batch.count { groups.append(crowd.count) }
      for command in crowd {
        taken[Int(command.integration)] += 1
        send(Int(command.integration))
      }
    }
    #expect(groups.count > 150)
    #expect(groups.dropFirst(8).allSatisfy { $0 == PendingCommands.share })
    #expect(taken.dropFirst().allSatisfy { $0 > 8_000 })
  }

  @Test("When the clock is set, what waits is done behind the step and by the new clock")
  func clockSet() {
    var pending = PendingCommands(StoreLimits())
    var times: [UInt64: (at: Instant, place: Int)] = [:]
    func take() {
      var batch = CommandBatch()
      guard pending.takeNext(replacing: &batch) else { return }
      for entry in batch.entries {
        guard case .token(let number, _) = entry.origin else { continue }
        times[number] = (entry.now, times.count)
      }
    }
    for number in 0..<1_000 { #expect(Self.add(UInt64(number), .integration(1), to: &pending)) }
    #expect(Self.add(1_000, .last, to: &pending))
    // The lane's turn would be next.
    take()
    let hour: Int64 = -3_600_000
    let new = Self.now.adding(milliseconds: hour)
    #expect(
      pending.add(.common) { batch in
        batch.append(.moveClock(byMs: hour), now: new, origin: .token(2_000, 0))
      })
    // Both read the old clock, and one comes to the lane.
    #expect(Self.add(2_001, .integration(1), to: &pending))
    #expect(Self.add(2_002, .common, to: &pending))
    while !pending.isEmpty { take() }
    #expect(times.count == 1_004)
    for (number, time) in times {
      let isBefore = number < UInt64(PendingCommands.share)
      #expect(time.at == (isBefore ? Self.now : new), "\(number) has the time \(time.at)")
      if !isBefore, number != 2_000 { #expect(time.place > times[2_000]?.place ?? .max) }
    }
  }

  @Test("A lease that waits behind its integration's reports sees what was done before it")
  func leaseTime() {
    var pending = PendingCommands(StoreLimits())
    for number in 0..<300 { #expect(Self.add(UInt64(number), .integration(1), to: &pending)) }
    #expect(
      pending.add(.integration(1)) { batch in
        let command = LeaseCommand(
          integration: 1, agentID: batch.text("agent-1"), firstActionType: 0, actionTypeCount: 0,
          maximumRequests: 1, leaseMs: 1_000)
        batch.append(lease: command, now: Self.now, origin: .token(1_000, 0))
      })
    let later = Self.now.adding(milliseconds: 7)
    #expect(pending.add(.common) { $0.append(.keepJournal, now: later, origin: .none) })
    var leased: Instant?
    var batch = CommandBatch()
    while pending.takeNext(replacing: &batch) {
      if let lease = batch.entries.first(where: { $0.kind == .lease }) { leased = lease.now }
      batch.removeAll()
    }
    #expect(leased == later)
  }

  @Test("One integration has half of the places at most, and others find some")
  func places() {
    var limits = StoreLimits()
    limits.maximumPendingCommands = 4_000
    var pending = PendingCommands(limits)
    var taken = 0
    while Self.add(UInt64(taken), .integration(1), to: &pending) { taken += 1 }
    #expect((1_900...2_300).contains(taken))
    #expect(Self.add(9_000, .common, to: &pending))
    #expect(Self.add(9_001, .integration(2), to: &pending))
    var second = 0
    while Self.add(UInt64(10_000 + second), .integration(2), to: &pending) { second += 1 }
    #expect((800...1_300).contains(second))
    // All places are free again when all is done.
    while Self.take(&pending) != nil {}
    var again = 0
    while Self.add(UInt64(again), .integration(1), to: &pending) { again += 1 }
    #expect(again == taken)
  }

  @Test("Long texts use up a share, and half of the bytes, as many commands do")
  func bytes() {
    var limits = StoreLimits()
    limits.maximumPendingBytes = 8_000_000
    var pending = PendingCommands(limits)
    var taken = 0
    while Self.add(UInt64(taken), .integration(1), bytes: 100_000, to: &pending) { taken += 1 }
    #expect((38...44).contains(taken))
    #expect(Self.take(&pending)?.count == 3)
    #expect(Self.take(&pending)?.count == 3)
  }

  @Test("The store does what others send between what one integration has waiting")
  func store() async throws {
    let harness = try await StoreHarness(.sqlite)
    let store = try #require(harness.store as? SQLiteStore)
    let free = await Self.hold(store)
    let before = harness.recorder.batches.count
    let (integration, now) = (harness.integration, harness.now)
    for number in 0..<2_000 {
      let id = harness.newID()
      let taken = store.submit(.integration(integration)) { batch in
        let command = Report().command(
          id, .completed, sequence: 1, integration: integration, in: &batch)
        batch.append(report: command, now: now, origin: .token(UInt64(number), 0))
      }
      #expect(taken)
    }
    #expect(store.submit { $0.append(.keepJournal, now: now, origin: .token(2_000, 0)) })
    await free()
    try await eventually("all are answered") {
      harness.recorder.answers.count == 2_001 ? true : nil
    }
    let batches = harness.recorder.batches.dropFirst(before)
    #expect(batches.first == PendingCommands.share + 1, "the command of others is in the first")
    #expect(batches.allSatisfy { $0 <= PendingCommands.share + 1 })
    for number in 0..<2_000 {
      guard case .reported = harness.recorder.answers[UInt64(number)] else {
        Issue.record("report \(number) got \(String(describing: harness.recorder.answers))")
        break
      }
    }
    await store.close()
  }
  @Test("Own work that reports while its deadline waits behind a crowd is not timed out")
  func ownWork() async throws {
    let harness = try await StoreHarness(.sqlite)
    let store = try #require(harness.store as? SQLiteStore)
    let own = harness.newID()
    let report = Report(action: "export_quote", entity: EntityReference(type: "quote", id: "1"))
    try await harness.report(own, .inProgress, sequence: 1, report)
    // Of its progress timeout of 30 seconds some are left.
    harness.advance(milliseconds: 20_000)
    try await harness.report(own, .inProgress, sequence: 2, Report())
    harness.advance(milliseconds: 10_000)
    let free = await Self.hold(store)
    let (integration, due) = (harness.integration, harness.now)
    for _ in 0..<600 {
      #expect(
        store.submit(.integration(integration)) { batch in
          batch.append(.saveKeyUses([:]), now: due, origin: .none)
        })
    }
    #expect(store.submit(.last) { $0.append(.expire(maximum: 10), now: due, origin: .none) })
    harness.advance(milliseconds: 100)
    let later = harness.now
    #expect(
      store.submit { batch in
        let command = Report().command(
          own, .inProgress, sequence: 3, integration: integration, in: &batch)
        batch.append(report: command, now: later, origin: .none)
      })
    await free()
    let ended = try await harness.report(own, .completed, sequence: 4, Report())
    #expect(ended.status == .completed && ended.sequence == 4)
    await store.close()
  }

  /// Keeps the writer from its work until the result is called.
  private static func hold(_ store: SQLiteStore) async -> () async -> Void {
    let (isHeld, isFree) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let held = Task {
      await store.loop.betweenBatches { _ in
        isHeld.signal()
        isFree.wait()
      }
    }
    await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        isHeld.wait()
        continuation.resume()
      }
    }
    return {
      isFree.signal()
      await held.value
    }
  }
}

import IntegrationModel
import IntegrationStore

/// The commands that wait for the writer, and which of them are done next.
///
/// All wait in one batch, but for what an integration sends beyond its share of it: that waits in a
/// lane of the integration's own, in groups of about a share. The common batch and the lanes take
/// turns. So a report of others waits for one group, however many an integration has in flight.
///
/// A command in a lane never overtakes one of the common batch that was submitted before it. Times
/// are those of the order in which commands are done: what waits when the clock is set gets its
/// time by the new one and is done behind the step, and a lease in a lane, which leaves out what is
/// later than itself, is no earlier than what came to the common batch before it is taken. A value
/// without a lock.
struct PendingCommands {
  /// Work that an integration may have in the common batch before its commands go to a lane; a
  /// command is 1, and each record error and lease that it brings.
  ///
  /// 256 take the writer some 2 ms; larger groups cost hardly less for each report.
  static let share = 256
  /// The same for bytes of text.
  static let shareBytes = 262_144

  /// Commands that are committed together.
  private struct Group {
    var batch: CommandBatch
    /// Which group it is, and which common batch was being filled when its last command came.
    let number: UInt64
    var round: UInt64
  }

  /// What waits of an integration beyond its share, oldest first; one without groups is free.
  private struct Lane {
    var integration: IntegrationID = 0
    var groups: [Group] = []
    var count = 0
    var bytes = 0
  }

  /// How many batches are kept for groups to come, so that they have memory.
  private static let spareBatches = 4

  private let maximumCount: Int
  private let maximumBytes: Int
  private var count = 0
  private var bytes = 0

  private var common = CommandBatch()
  /// How many common batches were taken.
  private var round: UInt64 = 0
  private var shares = Shares()
  private var lanes: [Lane] = []
  private var laneOf: [IntegrationID: Int] = [:]
  /// The lanes in which something waits; the first one's turn is next.
  private var turns: [Int] = []
  private var isTurnOfLanes = false
  private var groupsMade: UInt64 = 0
  private var spares: [CommandBatch] = []
  /// What is done behind all that waited when it came: behind the group of that number, and behind
  /// the common batch of that round.
  private var last = CommandBatch()
  private var lastMark: (number: UInt64, round: UInt64) = (0, 0)
  /// The clock was set a moment ago; nil: it was not.
  private var clockStep: ClockStep?
  /// The latest time in the common batches since the clock was set.
  private var latestTime = Instant.epoch

  init(_ limits: StoreLimits) {
    maximumCount = limits.maximumPendingCommands
    maximumBytes = limits.maximumPendingBytes
  }

  /// Whether nothing waits.
  var isEmpty: Bool { count == 0 }
  /// Whether something waits in lanes.
  var hasLanes: Bool { !turns.isEmpty }

  // MARK: - Adding

  /// Has commands added where their order wants them; false: too much waits.
  mutating func add(_ order: CommandOrder, _ fill: (inout CommandBatch) -> Void) -> Bool {
    guard count < maximumCount, bytes < maximumBytes else { return false }
    switch order {
    case .integration(let integration):
      let lane = turns.isEmpty ? nil : laneOf[integration]
      if lane != nil || shares.isUsedUp(integration, round) {
        return addToLane(lane, of: integration, fill)
      }
      shares.use(integration, round, addToCommon(fill))
    case .last where !turns.isEmpty || !last.isEmpty:
      note(Self.fill(&last, clockStep, fill))
      lastMark = (groupsMade, round)
    case .common, .last:
      _ = addToCommon(fill)
    }
    return true
  }

  /// Has commands of an integration added one by one, in pieces that go where the order of the
  /// integration wants them; false: too much waits, and none was added.
  ///
  /// A piece ends behind a share of record errors or bytes: of what is sent at once these can be
  /// very many, and others would wait for all of them. The commands themselves are a thousand at
  /// most, and a commit for each 256 of them would cost a quarter of the rate.
  mutating func add(
    of integration: IntegrationID, each fill: (inout CommandBatch, _ piece: Int) -> Bool
  ) -> Bool {
    guard count < maximumCount, bytes < maximumBytes else { return false }
    var (piece, isMore) = (0, true)
    while isMore {
      let lane = turns.isEmpty ? nil : laneOf[integration]
      if piece == 0, let lane, !hasRoom(lane) { return false }
      if lane != nil || shares.isUsedUp(integration, round) {
        addToGroup(lane ?? openLane(of: integration)) {
          isMore = Self.fillPiece(&$0, piece, fill)
        }
      } else {
        shares.use(
          integration, round, addToCommon { isMore = Self.fillPiece(&$0, piece, fill) })
      }
      piece += 1
    }
    return true
  }

  /// Appends commands up to a piece; whether there are more.
  private static func fillPiece(
    _ batch: inout CommandBatch, _ piece: Int, _ fill: (inout CommandBatch, Int) -> Bool
  ) -> Bool {
    let (listed, bytes) = (listed(batch) + share, batch.bytes.count + shareBytes)
    while fill(&batch, piece) {
      if Self.listed(batch) >= listed || batch.bytes.count >= bytes { return true }
    }
    return false
  }

  private mutating func addToCommon(_ fill: (inout CommandBatch) -> Void) -> Work {
    if clockStep?.isOver == true { clockStep = nil }
    let added = Self.fill(&common, clockStep, fill)
    note(added)
    if let newest = common.entries.last {
      if let step = common.clockStep(of: newest) {
        clockMoved(ClockStep(milliseconds: step.ms, now: newest.now, seen: step.read))
      }
      latestTime = max(latestTime, newest.now)
    }
    return added
  }

  /// What waits was submitted by the old clock; it is done behind the step.
  ///
  /// A step of nothing is a start: whatever comes has its clock.
  private mutating func clockMoved(_ step: ClockStep) {
    clockStep = step.milliseconds == 0 ? nil : step
    latestTime = step.now
    for lane in turns {
      for group in lanes[lane].groups.indices {
        lanes[lane].groups[group].batch.moveTimes(byMs: step.milliseconds)
        lanes[lane].groups[group].round = round
      }
    }
    last.moveTimes(byMs: step.milliseconds)
    lastMark.round = round
  }

  /// What some commands make others wait for.
  fileprivate struct Work {
    var commands: Int
    var work: Int
    var bytes: Int
  }

  @inline(__always)
  private static func fill(
    _ batch: inout CommandBatch, _ clockStep: ClockStep?, _ fill: (inout CommandBatch) -> Void
  ) -> Work {
    let (commands, bytes, before) = (batch.count, batch.bytes.count, work(of: batch))
    fill(&batch)
    if let clockStep { batch.settleTimes(from: commands, clockStep) }
    return Work(
      commands: batch.count - commands, work: work(of: batch) - before,
      bytes: batch.bytes.count - bytes)
  }

  private static func work(of batch: borrowing CommandBatch) -> Int {
    batch.count + listed(batch)
  }

  private static func listed(_ batch: borrowing CommandBatch) -> Int {
    batch.recordErrors.count + batch.heldLeases.count
  }

  private mutating func note(_ added: Work) {
    count += added.commands
    bytes += added.bytes
  }

  /// A lane may hold as much as there is room beside it: so one integration has half of the places
  /// at most, and those that follow find some.
  private mutating func addToLane(
    _ known: Int?, of integration: IntegrationID, _ fill: (inout CommandBatch) -> Void
  ) -> Bool {
    if let known, !hasRoom(known) { return false }
    addToGroup(known ?? openLane(of: integration), fill)
    return true
  }

  private func hasRoom(_ lane: Int) -> Bool {
    lanes[lane].count < maximumCount - count && lanes[lane].bytes < maximumBytes - bytes
  }

  private mutating func addToGroup(_ lane: Int, _ fill: (inout CommandBatch) -> Void) {
    if !isOpen(lane) {
      groupsMade += 1
      lanes[lane].groups.append(
        Group(batch: spares.popLast() ?? CommandBatch(), number: groupsMade, round: round))
    }
    let group = lanes[lane].groups.count - 1
    let added = Self.fill(&lanes[lane].groups[group].batch, clockStep, fill)
    lanes[lane].groups[group].round = round
    lanes[lane].count += added.commands
    lanes[lane].bytes += added.bytes
    note(added)
  }

  /// Whether a lane's last group takes more.
  ///
  /// Not the one whose turn is next, unless its last command came just now: it would have to wait
  /// for another common batch, and for ever.
  private func isOpen(_ lane: Int) -> Bool {
    guard let group = lanes[lane].groups.last, !Self.isFull(group.batch) else { return false }
    return group.round == round || lanes[lane].groups.count > 1 || turns.first != lane
  }

  private mutating func openLane(of integration: IntegrationID) -> Int {
    let lane = lanes.firstIndex { $0.groups.isEmpty } ?? lanes.count
    if lane == lanes.count { lanes.append(Lane()) }
    lanes[lane].integration = integration
    laneOf[integration] = lane
    turns.append(lane)
    return lane
  }

  private static func isFull(_ batch: borrowing CommandBatch) -> Bool {
    work(of: batch) >= share || batch.bytes.count >= shareBytes
  }

  // MARK: - Taking

  /// Swaps an empty batch with the one whose turn it is; false: nothing waits.
  mutating func takeNext(replacing spare: inout CommandBatch) -> Bool {
    guard count > 0 else { return false }
    if !last.isEmpty, isLastDue {
      swap(&last, &spare)
    } else if !common.isEmpty, !(isTurnOfLanes && isLaneDue) {
      swap(&common, &spare)
      round += 1
      isTurnOfLanes = true
    } else {
      takeGroup(replacing: &spare)
      isTurnOfLanes = false
    }
    count -= spare.count
    bytes -= spare.bytes.count
    return true
  }

  /// Whether the lane whose turn it is has a group that is older than the whole common batch.
  ///
  /// When a common batch is taken, all groups that are there become older than the next one.
  private var isLaneDue: Bool {
    turns.first.map { lanes[$0].groups[0].round < round } ?? false
  }

  private var isLastDue: Bool {
    (common.isEmpty || lastMark.round < round)
      && turns.allSatisfy { lanes[$0].groups[0].number > lastMark.number }
  }

  private mutating func takeGroup(replacing spare: inout CommandBatch) {
    let lane = turns.removeFirst()
    swap(&lanes[lane].groups[0].batch, &spare)
    spare.setLeases(notBefore: latestTime)
    let group = lanes[lane].groups.removeFirst()
    if spares.count < Self.spareBatches { spares.append(group.batch) }
    lanes[lane].count -= spare.count
    lanes[lane].bytes -= spare.bytes.count
    if lanes[lane].groups.isEmpty {
      laneOf[lanes[lane].integration] = nil
    } else {
      turns.append(lane)
    }
  }
}

/// What integrations have in the common batch.
///
/// Those that meet in one place are taken for one: then they come to lanes of their own a little
/// early.
private struct Shares {
  private struct Share {
    var round: UInt64 = .max
    var work = 0
    var bytes = 0
  }

  private var places = [Share](repeating: Share(), count: 256)

  func isUsedUp(_ integration: IntegrationID, _ round: UInt64) -> Bool {
    let share = places[Int(truncatingIfNeeded: integration) & 255]
    return share.round == round
      && (share.work >= PendingCommands.share || share.bytes >= PendingCommands.shareBytes)
  }

  mutating func use(_ integration: IntegrationID, _ round: UInt64, _ added: PendingCommands.Work) {
    let place = Int(truncatingIfNeeded: integration) & 255
    if places[place].round != round { places[place] = Share(round: round) }
    places[place].work += added.work
    places[place].bytes += added.bytes
  }
}

extension CommandBatch {
  fileprivate mutating func moveTimes(byMs step: Int64) {
    for place in 0..<count { setTime(at: place, entries[place].now.adding(milliseconds: step)) }
  }

  /// Gives commands from a place on their times by the new clock; a step brings it, however close
  /// it is behind another.
  fileprivate mutating func settleTimes(from start: Int, _ step: ClockStep) {
    for place in start..<count where clockStep(of: entries[place]) == nil {
      setTime(at: place, step.settled(entries[place].now))
    }
  }

  fileprivate mutating func setLeases(notBefore time: Instant) {
    guard !leases.isEmpty else { return }
    for place in 0..<count where entries[place].kind == .lease {
      setTime(at: place, max(entries[place].now, time))
    }
  }
}

import IntegrationStore

/// The commands that wait for the writer, and which of them are done next.
///
/// All wait in one batch, but for what an integration sends beyond its share of it: that waits in a
/// lane of the integration's own, in groups of about a share. The common batch and the lanes take
/// turns. So a report of others waits for one group, however many an integration has in flight.
///
/// A command in a lane never overtakes one of the common batch that was submitted before it; such
/// as a step of the clock, whose successors have times by the new one. A value without a lock.
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
    /// Which group it is, and which common batch was being filled when it was begun.
    let number: UInt64
    let round: UInt64
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

  init(_ limits: StoreLimits) {
    maximumCount = limits.maximumPendingCommands
    maximumBytes = limits.maximumPendingBytes
  }

  /// Whether nothing waits.
  var isEmpty: Bool { count == 0 }

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
      let added = Self.fill(&common, fill)
      shares.use(integration, round, added)
      note(added)
    case .last where !turns.isEmpty || !last.isEmpty:
      note(Self.fill(&last, fill))
      lastMark = (groupsMade, round)
    case .common, .last:
      note(Self.fill(&common, fill))
    }
    return true
  }

  /// What some commands make others wait for.
  fileprivate struct Work {
    var commands: Int
    var work: Int
    var bytes: Int
  }

  @inline(__always)
  private static func fill(
    _ batch: inout CommandBatch, _ fill: (inout CommandBatch) -> Void
  ) -> Work {
    let (commands, bytes, lists) = (batch.count, batch.bytes.count, listed(batch))
    fill(&batch)
    let added = batch.count - commands
    return Work(
      commands: added, work: added + listed(batch) - lists, bytes: batch.bytes.count - bytes)
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
    let (roomLeft, bytesLeft) = (maximumCount - count, maximumBytes - bytes)
    if let known, lanes[known].count >= roomLeft || lanes[known].bytes >= bytesLeft { return false }
    let lane = known ?? openLane(of: integration)
    let isBegun = lanes[lane].groups.last.map { $0.round == round && !Self.isFull($0.batch) }
    if isBegun != true {
      groupsMade += 1
      lanes[lane].groups.append(
        Group(batch: spares.popLast() ?? CommandBatch(), number: groupsMade, round: round))
    }
    let added = Self.fill(&lanes[lane].groups[lanes[lane].groups.count - 1].batch, fill)
    lanes[lane].count += added.commands
    lanes[lane].bytes += added.bytes
    note(added)
    return true
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
    batch.count + listed(batch) >= share || batch.bytes.count >= shareBytes
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

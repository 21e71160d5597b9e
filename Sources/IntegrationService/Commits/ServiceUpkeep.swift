import IntegrationModel
import IntegrationStore
import RPCServer

// What the service does by itself: deadlines of the store, and writing down agents and key uses.

extension IntegrationService {
  /// How many deadlines one command handles: more wait for the next, so that no batch takes long.
  static let maximumExpired = 500
  /// How many rows one step of a deletion removes: some milliseconds of the writer's time.
  static let maximumDeletedRows = 500
  /// How many agents one command writes.
  static let maximumSaved = 500

  /// How often the journal of changes is renewed while somebody tails.
  private static let journalRenewalMs: Int64 = 30_000

  /// The store's next deadline is at a time.
  func expect(due: Instant) {
    let wait = max(0, due.milliseconds(since: ServerClock.now))
    let (at, overflow) = ServiceTimer<Deadline>.nowMs.addingReportingOverflow(wait)
    if !overflow { expectStoreDue(atMs: at) }
  }

  /// Sets the timer for the store, unless it is set for that time or an earlier one: whatever is
  /// due later is learnt from the outcome of the earlier expiry.
  private func expectStoreDue(atMs at: Int64) {
    let isEarlier = storeDueMs.withLock { due in
      guard at < due else { return false }
      due = at
      return true
    }
    if isEarlier { schedule(.store, atMs: at) }
  }

  /// Lets the store handle what is due, and goes on until nothing is.
  func expireDue() {
    let isDue = storeDueMs.withLock { due in
      // An entry that an earlier deadline has overtaken.
      guard due <= ServiceTimer<Deadline>.nowMs else { return false }
      due = .max
      return true
    }
    guard isDue else { return }
    let now = ServerClock.now
    // Behind the renewals that have come in time, however many wait.
    let taken = store.submit(.last) { batch in
      batch.append(
        .expire(maximum: Self.maximumExpired), now: now,
        origin: .completion { [weak self] outcome in self?.deadlinesHandled(outcome) })
    }
    if !taken { retryDeadlines() }
  }

  /// The store has handled deadlines, or moved them, and says when the next one is.
  func deadlinesHandled(_ outcome: CommandOutcome) {
    switch outcome {
    case .expired(_, let next?): expect(due: next)
    case .clockMoved(let next, let doubt):
      noteDoubt(doubt)
      if let next { expect(due: next) }
    // Nobody else would look at them: the store says only what is due earlier than it has said.
    case .failed: retryDeadlines()
    default: break
    }
  }

  /// The store is busy, full or closed: another try in a second is early enough for a deadline.
  func retryDeadlines() {
    expectStoreDue(atMs: ServiceTimer<Deadline>.nowMs + 1_000)
  }

  /// Removes what is left of deleted integrations, a step with each commit; what a stop leaves is
  /// taken up at the next start.
  ///
  /// A store that is busy or full ends no deletion: its name would stay taken until then.
  func continueDeletions() {
    Task { [weak self, store, configuration] in
      var waitSeconds = 1
      while self != nil {
        do throws(StoreFailure) {
          let outcome = try await store.perform(
            .continueDeletion(maximum: Self.maximumDeletedRows), now: ServerClock.now)
          guard case .deletionContinued(isDone: false) = outcome else { return }
          waitSeconds = 1
        } catch {
          configuration.log("level=warning event=deletion_waits reason=\(error.reason)")
          try? await Task.sleep(for: .seconds(waitSeconds))
          waitSeconds = min(waitSeconds * 2, 60)
        }
      }
    }
  }

  /// Writes changed agents and used keys, and sets the time of the next round.
  func saveChanges() {
    Task {
      while await saveAgents() {}
      await saveUses()
      tendTails()
      lookForRoom()
      reportFailedLogins()
      let wait = configuration.limits.agentSaveInterval.wholeMilliseconds
      schedule(.save, atMs: ServiceTimer<Deadline>.nowMs + wait)
    }
  }

  /// Says in the log that logins failed, once a minute at most: an attacker writes no long log.
  func reportFailedLogins() {
    if let line = failedLogins.takeLine(atMs: ServiceTimer<Deadline>.nowMs) {
      configuration.log(line)
    }
  }

  /// While somebody tails, the journal goes on, and quiet tails hear how far they are.
  private func tendTails() {
    guard tails.isWatched else { return }
    let now = ServerClock.now
    let isDue = journalKeptAt.withLock { last in
      let isFresh = (0..<Self.journalRenewalMs).contains(now.milliseconds(since: last))
      guard !isFresh else { return false }
      last = now
      return true
    }
    if isDue { _ = store.submit { $0.append(.keepJournal, now: now, origin: .none) } }
    tails.tellPlace()
  }

  /// Writes some changed agents; false when there were none or the store takes nothing.
  func saveAgents() async -> Bool {
    let records = agents.takeUnsaved(maximum: Self.maximumSaved)
    guard !records.isEmpty else { return false }
    do {
      _ = try await store.perform(.saveAgents(records.map(\.stored)), now: ServerClock.now)
      return true
    } catch {
      for record in records { agents.markUnsaved(record) }
      return false
    }
  }

  /// Writes when and from where keys and tokens were used last.
  func saveUses() async {
    let keyUses = catalogue.takeKeyUses()
    let tokenUses = tokens.takeUses()
    // A use that cannot be written is not worth a retry: the next one comes soon.
    if !keyUses.isEmpty {
      _ = try? await store.perform(.saveKeyUses(keyUses), now: ServerClock.now)
    }
    if !tokenUses.isEmpty {
      _ = try? await store.perform(.saveTokenUses(tokenUses), now: ServerClock.now)
    }
  }
}

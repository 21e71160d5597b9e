import CSystemShims
import Glibc

extension Reactor {
  /// One wake-up: rounds of ready descriptors, posted work, output and deadlines, until nothing
  /// is left to do or Dispatch should get its thread back.
  func turn() {
    unsafe shim_set_current_reactor(Unmanaged.passUnretained(self).toOpaque())
    defer { shim_set_current_reactor(nil) }
    var waitMs: Int32 = 0
    for _ in 0..<Self.roundsPerTurn {
      let ready = unsafe epoll_wait(epoll, events, Self.eventsPerRound, waitMs)
      clock = ServerTime.read()
      runPosted()
      handle(ready)
      flushDirty()
      expireDeadlines()
      serveGreedy()
      flushDirty()
      if isStopped { return }
      guard greedy.isEmpty && posted.isEmpty && mailbox.fallAsleep() else {
        waitMs = 0
        continue
      }
      armTimer()
      // What is ready ends the wait at once, so there is no look without waiting before it.
      if ready <= 0 && waitMs > 0 { return }
      waitMs = Self.restMs
    }
    armTimer()
    // Dispatch calls again for what is ready in the set; posted work it does not see.
    if !greedy.isEmpty || !posted.isEmpty || !mailbox.fallAsleep() { mailbox.wake() }
  }

  /// Runs what was posted, in its order; what finds the time of this round used up waits for the
  /// next one.
  private func runPosted() {
    if posted.isEmpty { posted = mailbox.takeAll() }
    let end = clock.monotonicNanoseconds + Self.postedNanoseconds
    while nextPosted < posted.count {
      let work = posted[nextPosted]
      nextPosted += 1
      work(self)
      // Of one alone no clock is read.
      if nextPosted < posted.count, ServerTime.monotonicNow() >= end { return }
    }
    posted = []
    nextPosted = 0
  }

  private func handle(_ ready: Int32) {
    guard ready > 0 else { return }
    for position in 0..<Int(ready) {
      let number = unsafe shim_epoll_number(events + position)
      // An event of a source that an earlier one of this round removed finds nothing. The mailbox
      // and the timer need no reading: they are watched edge-triggered.
      guard number < Self.timerNumber, let source = source(number) else { continue }
      let bits = unsafe events[position].events
      source.ready(bits, on: self)
    }
  }

  private func flushDirty() {
    var position = 0
    // Flushing may make others dirty, such as by closing a connection.
    while position < dirty.count {
      dirty[position].flush(on: self)
      position += 1
    }
    dirty.removeAll(keepingCapacity: true)
  }

  /// Lets those go on that want more, one after another, until their part of this round is used.
  private func serveGreedy() {
    guard !greedy.isEmpty else { return }
    let end = ServerTime.monotonicNow() + Self.greedyNanoseconds
    // Those that queue up again meanwhile wait for the next round.
    for _ in 0..<greedy.count {
      guard let number = greedy.popFirst() else { return }
      source(number)?.goOn(on: self)
      if ServerTime.monotonicNow() >= end { return }
    }
  }

  private func expireDeadlines() {
    while let slot = deadlines.popExpired(now: clock.monotonicNanoseconds) {
      guard let source = slots.source(slot) else { continue }
      source.armedDeadline = .max
      let next = source.deadlinePassed(on: self)
      setDeadline(source, next)
    }
  }

  private func armTimer() {
    guard let earliest = deadlines.earliest?.deadline else { return }
    // A timer that fires too early costs one empty turn; it is only moved to an earlier time.
    if armedTimer > clock.monotonicNanoseconds && armedTimer <= earliest { return }
    armedTimer = earliest
    var setting = itimerspec()
    setting.it_value.tv_sec = Int(earliest / 1_000_000_000)
    setting.it_value.tv_nsec = Int(earliest % 1_000_000_000)
    unsafe timerfd_settime(timer, timerAbsoluteTime, &setting, nil)
  }

  /// Lets go of all sources and ends.
  ///
  /// Idempotent.
  public func stop() {
    guard !isStopped else { return }
    isStopped = true
    for source in sources { source.reactorStopped(on: self) }
    dirty.removeAll()
    greedy = TurnQueue()
    // The work that stops the reactor is among it.
    (posted, nextPosted) = ([], 0)
    buffers.removeAll()
    attachment = nil
    ReactorRegistry.remove(self)
    mailbox.closeForGood()
    dispatchSource?.cancel()
    dispatchSource = nil
  }
}

/// TFD_TIMER_ABSTIME (timerfd_create(2)).
private let timerAbsoluteTime: Int32 = 1

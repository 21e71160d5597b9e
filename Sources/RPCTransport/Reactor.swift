import CSystemShims
import Dispatch
import Glibc

/// An event loop: one Dispatch queue, one Dispatch source over an epoll set that holds the
/// descriptors of all its event sources, one heap of deadlines, one mailbox.
///
/// Everything but `post` runs on its queue; the compiler checks that through the actor's
/// isolation. All its methods are synchronous, so that nothing interleaves within a turn.
@safe
public actor Reactor {
  /// Number of this reactor in the process, the high part of its sources' identifiers.
  public nonisolated let index: UInt16
  nonisolated let executor: QueueExecutor
  nonisolated let mailbox = Mailbox()
  nonisolated let epoll: Int32
  nonisolated let timer: Int32

  /// The clocks at the start of this round.
  public var now: ServerTime { clock }
  var clock = ServerTime.read()
  /// Where sources read to; what they need beyond their turn they copy out.
  public let readBuffer: UnsafeMutableRawBufferPointer
  /// A place for the layer above to keep one object per reactor.
  public var attachment: AnyObject?

  let memory: ReactorMemory
  let events: UnsafeMutablePointer<epoll_event>
  var dispatchSource: (any DispatchSourceRead)?
  let slots = SlotTable()
  var deadlines = DeadlineHeap()
  var armedTimer = Int64.max
  var dirty: ContiguousArray<EventSource> = []
  var greedy = TurnQueue()
  /// What was posted and taken from the mailbox, to be run from `nextPosted` on.
  var posted: [Mailbox.Work] = []
  var nextPosted = 0
  var buffers = BufferPool()
  /// Memory that connections hold for begun frames and unsent output.
  var held = BufferLedger()
  /// What connections hold that were charged to nobody yet.
  let strangers = BufferAccount()
  var isStopped = false
  var stopWaiters: [CheckedContinuation<Void, Never>] = []

  /// Bytes that one read may take: a burst of a thousand small calls fits, and one connection
  /// does not hold up the others for long.
  public static let readBufferBytes = 256 << 10
  /// Most ready descriptors of one round.
  static let eventsPerRound: Int32 = 256
  /// What those that want more get of one round, together, in nanoseconds.
  static let greedyNanoseconds: Int64 = 200_000
  /// What posted work gets of one round, in nanoseconds; one piece of it may take longer.
  static let postedNanoseconds: Int64 = 300_000
  /// Most rounds of one turn, after which Dispatch gets its thread back for a moment.
  static let roundsPerTurn = 1024
  /// How long a reactor that has nothing to do waits by itself before it goes back to Dispatch.
  ///
  /// Between the wake-ups of a busy reactor lie microseconds, and a wake-up through Dispatch takes
  /// two threads; this one takes none. An idle reactor rests in Dispatch.
  static let restMs: Int32 = 10
  /// Low bits of an identifier: the slot.
  ///
  /// A reactor holds up to a million sources.
  static let slotBits: UInt64 = 20

  /// The executor of this actor: its queue.
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe executor.asUnownedSerialExecutor()
  }

  /// Makes a reactor and starts it.
  ///
  /// It lives until `stop`.
  public init(label: String) throws(SystemError) {
    executor = QueueExecutor(label: label)
    epoll = try SystemError.check(epoll_create1(Int32(EPOLL_CLOEXEC)), "epoll_create1")
    timer = try SystemError.check(
      timerfd_create(CLOCK_MONOTONIC, Int32(TFD_CLOEXEC | TFD_NONBLOCK)),
      "timerfd_create")
    memory = ReactorMemory()
    unsafe readBuffer = memory.readBuffer
    unsafe events = memory.events
    index = ReactorRegistry.nextIndex()
    ReactorRegistry.add(self)
    executor.queue.sync {
      self.assumeIsolated { $0.activate() }
    }
  }

  deinit {
    close(epoll)
    close(timer)
  }

  // MARK: From other threads

  /// Runs `work` on the reactor, in the order of the posts of one thread.
  ///
  /// From any thread. Work posted after `stop` is dropped.
  public nonisolated func post(_ work: @escaping @Sendable (isolated Reactor) -> Void) {
    mailbox.post(work)
  }

  /// Whether the calling thread runs this reactor's turn.
  public nonisolated var isCurrent: Bool {
    unsafe shim_current_reactor() == Unmanaged.passUnretained(self).toOpaque()
  }

  /// Runs `work` at once on the thread of the reactor's turn; traps elsewhere.
  ///
  /// The same as `assumeIsolated`, with a check that costs a fiftieth of it: replies take this way
  /// a million times a second.
  @inline(__always)
  public nonisolated func withCurrent(_ work: (isolated Reactor) -> Void) {
    precondition(isCurrent, "not on the reactor's thread")
    withoutActuallyEscaping(work) { escapable in
      let unchecked = unsafe unsafeBitCast(escapable, to: ((Reactor) -> Void).self)
      unchecked(self)
    }
  }

  // MARK: Sources

  /// Watches a source for epoll's `events`.
  ///
  /// The reactor keeps it until `remove`.
  public func add(_ source: EventSource, events: UInt32) throws(SystemError) {
    let slot = slots.take()
    let number =
      UInt64(index) << 48 | slots.generation(slot) << Self.slotBits | UInt64(slot)
    do throws(SystemError) {
      try control(EPOLL_CTL_ADD, source.handle, events, number)
    } catch {
      slots.give(slot)
      throw error
    }
    source.number = number
    source.interest = events
    slots.fill(slot, source)
  }

  /// Changes the events that a source is watched for.
  public func setInterest(_ source: EventSource, _ events: UInt32) {
    guard source.handle >= 0, source.interest != events else { return }
    source.interest = events
    // Cannot fail for a descriptor that is in the set.
    try? control(EPOLL_CTL_MOD, source.handle, events, source.number)
  }

  /// Closes a source's descriptor and forgets it.
  public func remove(_ source: EventSource) {
    guard source.handle >= 0 else { return }
    let slot = Int(source.number & (1 << Self.slotBits - 1))
    // Closing the only descriptor of a socket takes it out of the set (epoll(7)).
    close(source.handle)
    source.handle = -1
    deadlines.remove(slot)
    slots.give(slot)
  }

  /// The source with this identifier, unless it is gone.
  public func source(_ identifier: UInt64) -> EventSource? {
    let slot = Int(identifier & (1 << Self.slotBits - 1))
    guard let source = slots.source(slot), source.number == identifier else { return nil }
    return source
  }

  /// All sources.
  public var sources: [EventSource] { slots.all }

  /// Calls `deadlinePassed` at `deadline`, unless an earlier call is due already.
  public func setDeadline(_ source: EventSource, _ deadline: Int64) {
    guard deadline < source.armedDeadline, source.handle >= 0 else { return }
    source.armedDeadline = deadline
    deadlines.set(Int(source.number & (1 << Self.slotBits - 1)), to: deadline)
  }

  /// Calls `goOn` on a source in its turn among those that want more than one turn's time.
  ///
  /// They share a bounded part of each round, behind everything else that is ready.
  public func continueLater(_ source: EventSource) {
    greedy.append(source.number)
  }

  /// Calls `flush` on a source at the end of this round.
  public func flushLater(_ source: EventSource) {
    dirty.append(source)
  }

  private func control(
    _ operation: Int32, _ descriptor: Int32, _ interest: UInt32, _ number: UInt64
  ) throws(SystemError) {
    var event = unsafe epoll_event()
    unsafe shim_epoll_set(&event, interest, number)
    _ = try SystemError.check(
      unsafe epoll_ctl(epoll, operation, descriptor, &event), "epoll_ctl")
  }

  static let mailboxNumber = UInt64.max
  static let timerNumber = UInt64.max - 1

  private func activate() {
    let edge = EPOLLIN.rawValue | EPOLLET.rawValue
    try? control(EPOLL_CTL_ADD, mailbox.descriptor, edge, Self.mailboxNumber)
    try? control(EPOLL_CTL_ADD, timer, edge, Self.timerNumber)
    let source = DispatchSource.makeReadSource(fileDescriptor: epoll, queue: executor.queue)
    source.setEventHandler { self.turn() }
    source.activate()
    dispatchSource = source
  }
}

/// Owns the memory of a reactor, so that it ends with the actor without a hop to its queue.
@safe
final class ReactorMemory {
  let readBuffer = UnsafeMutableRawBufferPointer.allocate(
    byteCount: Reactor.readBufferBytes, alignment: 64)
  let events = UnsafeMutablePointer<epoll_event>.allocate(
    capacity: Int(Reactor.eventsPerRound))

  deinit {
    unsafe readBuffer.deallocate()
    unsafe events.deallocate()
  }
}

import CSystemShims
import Glibc
import Synchronization

/// Work that other threads hand to a reactor.
///
/// A wake-up is sent only to a reactor that sleeps: of a burst of posts only the first one pays
/// for the system call.
final class Mailbox: Sendable {
  typealias Work = @Sendable (isolated Reactor) -> Void

  private struct State {
    var items: [Work] = []
    var isAsleep = true
    var isClosed = false
  }

  /// Written to wake the reactor.
  ///
  /// Watched edge-triggered, so it is never read; its count would overflow after 2^64 wake-ups.
  let descriptor: Int32
  private let state = Mutex(State())

  init() {
    descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
    precondition(descriptor >= 0, "eventfd failed: out of descriptors at start")
  }

  func post(_ work: @escaping Work) {
    let mustWake = state.withLock { state in
      if state.isClosed { return false }
      state.items.append(work)
      defer { state.isAsleep = false }
      return state.isAsleep
    }
    if mustWake { wake() }
  }

  func takeAll() -> [Work] {
    state.withLock { state in
      state.isAsleep = false
      if state.items.isEmpty { return [] }
      defer { state.items = [] }
      return state.items
    }
  }

  /// Goes to sleep and returns true, unless work has come.
  func fallAsleep() -> Bool {
    state.withLock { state in
      state.isAsleep = state.items.isEmpty
      return state.isAsleep
    }
  }

  /// Lets go of what was posted and is posted from now on: it would be kept for nothing.
  func closeForGood() {
    let items = state.withLock { state in
      state.isClosed = true
      defer { state.items = [] }
      return state.items
    }
    // Released without the lock: what goes with them may post.
    withExtendedLifetime(items) {}
  }

  func wake() {
    var one: UInt64 = 1
    _ = unsafe Glibc.write(descriptor, &one, 8)
  }

  deinit {
    close(descriptor)
  }
}

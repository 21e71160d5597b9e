import Glibc
import IntegrationAPI
import IntegrationModel
import IntegrationStore

/// What is wrong with the store itself, as commits and checks have shown it; times are the
/// monotonic ones of the service's timer.
///
/// A full disk lasts until something is stored after nothing was refused for a while, with some
/// space free: on a full one small writes find room now and then.
struct StoreHealth: Sendable {
  /// How long nothing is refused before the disk counts as writable again.
  static let quietMs: Int64 = 5_000
  /// Less free space than this counts as none: 1 MiB.
  static let leastFreeBytes: UInt64 = 1 << 20

  /// Since when the disk is full; nil: it is not.
  private(set) var fullSinceMs: Int64?
  private var refusedMs: Int64 = 0
  /// Whether the log has said that it is full.
  var isSaid = false
  /// What the last check found.
  var problems = 0

  var isFull: Bool { fullSinceMs != nil }

  /// A batch was refused for want of space.
  mutating func refused(atMs now: Int64) {
    if fullSinceMs == nil { fullSinceMs = now }
    refusedMs = now
  }

  /// Something was stored; true: with this the disk is writable again, and the log has said before
  /// that it was not.
  mutating func stored(atMs now: Int64, freeBytes: UInt64?) -> Bool {
    guard isFull, now - refusedMs >= Self.quietMs, freeBytes ?? .max >= Self.leastFreeBytes else {
      return false
    }
    defer { (fullSinceMs, isSaid) = (nil, false) }
    return isSaid
  }

  /// What `status` says first: whatever stands below may come of it.
  func troubles(directory: String) -> [Trouble] {
    var found: [Trouble] = []
    func add(_ kind: Troubles.Kind, _ message: String, _ nextStep: String) {
      var trouble = Trouble()
      trouble.kind = kind.rawValue
      trouble.message = message
      trouble.nextStep = nextStep
      found.append(trouble)
    }
    if isFull {
      add(
        .storageFull,
        "The server's disk is full: reports, requests and changes are refused, and what stands "
          + "below may come of that. Nothing acknowledged is lost.",
        "free space below \(directory) on the server's machine")
    }
    if problems > 0 {
      add(
        .storeNotWhole,
        "The last check of the store found "
          + (problems == 1 ? "1 problem." : "\(problems) problems."),
        "integrationctl server check")
    }
    return found
  }
}

extension IntegrationService {
  /// While the disk is full, stores a little now and then: so people hear when there is room again,
  /// also where nobody else writes.
  func lookForRoom() {
    guard storeHealth.withLock({ $0.isFull }) else { return }
    let free = Self.freeBytes(below: configuration.dataDirectory)
    // Each batch notes the time, whatever its commands write.
    _ = store.submit { batch in
      batch.append(
        .saveKeyUses([:]), now: ServerClock.now,
        origin: .completion { [weak self] outcome in
          if case .done = outcome { self?.noteRoom(freeBytes: free) }
        })
    }
  }

  /// Something was stored while so many bytes were free; nil: nobody knows.
  func noteRoom(atMs now: Int64 = ServiceTimer<Deadline>.nowMs, freeBytes: UInt64?) {
    guard storeHealth.withLock({ $0.stored(atMs: now, freeBytes: freeBytes) }) else { return }
    configuration.log(
      "level=info event=storage_writable directory=\"\(configuration.dataDirectory)\"")
  }

  private static func freeBytes(below directory: String) -> UInt64? {
    var information = statvfs()
    guard unsafe statvfs(directory, &information) == 0 else { return nil }
    return UInt64(information.f_bavail) * UInt64(information.f_frsize)
  }
}

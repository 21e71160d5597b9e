/// The processes that phone home under one agent id, so that two at a time are noticed.
///
/// One that follows another, as over a restart, is no wonder; one that phones home again behind
/// another shows that both run. Times are milliseconds since 1970.
public struct AgentInstances: Sendable {
  /// A process by what it says of itself.
  public struct Process: Hashable, Sendable {
    /// Its `instance_id`.
    public let id: String
    /// Its machine; may be empty.
    public let host: String
    /// When it phoned home last behind another; nil: it never did.
    fileprivate var returnedAtMs: Int64?
  }

  /// The most processes that are kept apart; of more the oldest are forgotten.
  static let maximum = 4
  /// In the order in which they began to phone home last.
  private var processes: [Process] = []

  /// Knows of no process.
  public init() {}

  /// A process phones home; nothing happens where it is the one that did so last.
  public mutating func heard(_ id: String, host: String, atMs now: Int64) {
    guard !id.isEmpty, processes.last?.id != id else { return }
    guard let place = processes.firstIndex(where: { $0.id == id }) else {
      if processes.count == Self.maximum { processes.removeFirst() }
      return processes.append(Process(id: id, host: host, returnedAtMs: nil))
    }
    processes.remove(at: place)
    processes.append(Process(id: id, host: host, returnedAtMs: now))
  }

  /// Those that take turns: two or more that phoned home behind each other within a span.
  public func twins(atMs now: Int64, withinMs span: Int64) -> [Process] {
    let back = processes.filter { $0.returnedAtMs.map { now - $0 <= span } ?? false }
    return back.count < 2 ? [] : back
  }

  /// A process says goodbye; true: another goes on under the id, which is not down with this one.
  ///
  /// `lastHeardMs` is when the id was heard of last, before the goodbye.
  public mutating func ended(
    _ id: String, atMs now: Int64, withinMs span: Int64, lastHeardMs: Int64
  ) -> Bool {
    guard let place = processes.firstIndex(where: { $0.id == id }) else { return false }
    let last = processes.last?.id
    processes.remove(at: place)
    return processes.contains { other in
      let heard: Int64? = other.id == last ? lastHeardMs : other.returnedAtMs
      return heard.map { now - $0 <= span } ?? false
    }
  }
}

import IntegrationModel
import IntegrationStore

/// Repeatable random numbers (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xbf58_476d_1ce4_e5b9
    bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
    return bits ^ (bits >> 31)
  }
}

/// Random logs and filters over few words, so that filters find something, and rarely much.
struct RandomLogs {
  var numbers: SeededNumbers

  init(seed: UInt64) { numbers = SeededNumbers(seed: seed) }

  static let words = [
    "Exported", "order", "ORDER", "invoice", "überfällig", "Kunde", "\u{212A}elvin", "kelvin",
    "İstanbul", "istanbul", "cafe\u{301}", "café", "x;y", "x\u{37E}y", "ok", "a", "SO-204711",
    "12 lines", "timeout after 30 s", "<\u{338}", "ß", "日本語の注文",
  ]
  static let labelValues = ["a", "b", "é", "e\u{301}", "K", "\u{212A}", "long value of a label"]

  mutating func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &numbers) }

  mutating func isOne(of count: Int) -> Bool { number(0..<count) == 0 }

  mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[number(0..<elements.count)]
  }

  mutating func sentence() -> String {
    var parts = (0..<number(0..<5)).map { _ in pick(Self.words) }
    if isOne(of: 2) { parts.append("SO-\(number(100_000..<1_000_000))") }
    return parts.joined(separator: pick([" ", "", "-"]))
  }

  mutating func agent() -> String {
    isOne(of: 30) ? "rare-\(number(0..<5))" : "agent-\(number(0..<4))"
  }

  mutating func labels() -> [String: String] {
    guard isOne(of: 3) else { return [:] }
    var labels: [String: String] = [:]
    for _ in 0..<number(1..<4) {
      labels[pick(["tenant", "é", "e\u{301}x", "K"])] = pick(Self.labelValues)
    }
    return labels
  }

  mutating func report() -> Report {
    Report(
      agent: agent(), action: isOne(of: 40) ? "watch_folder" : "export_order",
      entity: EntityReference(
        type: pick(["", "order", "order", "quote"]), id: "\(number(0..<200))",
        displayName: sentence()), message: sentence(), labels: labels())
  }

  // MARK: - Filters

  mutating func selection(_ integrations: [IntegrationID]) -> LogSelection {
    var selection = LogSelection()
    if isOne(of: 3) { selection.integrations = [pick(integrations)] }
    if isOne(of: 3) { selection.text = searchText() }
    if isOne(of: 4) { selection.agentIDs = (0..<number(1..<3)).map { _ in agent() } }
    if isOne(of: 5) { selection.actionTypes = [pick(["watch_folder", "export_order"])] }
    if isOne(of: 5) { selection.entityType = pick(["order", "quote"]) }
    if isOne(of: 6) { selection.triggers = [pick([.event, .request, .retry])] }
    if isOne(of: 4) { selection.labels = [pick(["tenant", "é", "K"]): pick(Self.labelValues)] }
    if isOne(of: 3) { selection.statuses = statuses() }
    if isOne(of: 10) { selection.entityIDs = ["\(number(0..<200))"] }
    return selection
  }

  private mutating func statuses() -> Set<Status> {
    pick([
      [.failed], [.failed, .timedOut], [.queued], [.queued, .inProgress], [.cancelled],
      [.completed, .failed], [.timedOut, .cancelled],
    ])
  }

  private mutating func searchText() -> String {
    let text = isOne(of: 3) ? sentence() : pick(Self.words)
    let length = number(1..<10)
    let start = number(0..<max(1, text.count - length + 1))
    let part = String(text.dropFirst(start).prefix(length))
    let known = part.isEmpty ? "SO-\(number(100..<1_000))" : part
    return pick([known, known.uppercased(), known.lowercased()])
  }
}

extension LogSelection {
  /// Whether a log is wanted, by the meaning of the fields alone.
  func wants(_ log: StoredLog) -> Bool {
    func narrows<Value>(_ wanted: some Collection<Value>, _ value: Value) -> Bool
    where Value: Equatable {
      !wanted.isEmpty && !wanted.contains(value)
    }
    if narrows(integrations, log.integration) || narrows(actionTypes, log.actionType) {
      return false
    }
    if narrows(statuses, log.status) || narrows(agentIDs, log.agentID) { return false }
    if narrows(triggers, log.trigger) || narrows(entityIDs, log.entity.id) { return false }
    if !entityType.isEmpty, log.entity.type != entityType { return false }
    for (key, value) in labels where log.labels[key] != value { return false }
    if let since, log.id.time < since { return false }
    if let until, log.id.time >= until { return false }
    return text.isEmpty || holds(log.message) || holds(log.entity.displayName)
  }

  /// ASCII by bytes, other letters by characters.
  private func holds(_ value: String) -> Bool {
    guard text.utf8.allSatisfy({ $0 < 0x80 }) else {
      return value.lowercased().contains(text.lowercased())
    }
    let part = Self.lowered(text)
    let whole = Self.lowered(value)
    var rest = whole[...]
    while rest.count >= part.count {
      if rest.starts(with: part) { return true }
      rest = rest.dropFirst()
    }
    return false
  }

  private static func lowered(_ text: String) -> [UInt8] {
    text.utf8.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
  }
}

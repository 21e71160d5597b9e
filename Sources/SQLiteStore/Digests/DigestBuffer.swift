import IntegrationModel
import IntegrationStore

/// Logs of one integration that no digest covers yet, with what a digest takes in of them.
///
/// Each write of a log appends an entry, so a log that changes has several.
struct DigestBuffer {
  private struct Entry {
    var key: Int64
    var action: Int32
    var agent: Int32
    var entityType: Int32
    var status: UInt8
    var trigger: UInt8
    var offset: UInt32
    var messageBytes: UInt32
    var nameBytes: UInt32
    var labelsBytes: UInt32
    func hasFacts(of other: Entry?) -> Bool {
      guard let other else { return false }
      return action == other.action && status == other.status && trigger == other.trigger
        && entityType == other.entityType
    }
    var textBytes: Int { Int(messageBytes) + Int(nameBytes) + Int(labelsBytes) }
  }

  private let size: DigestSize
  private var entries: [Entry] = []
  private var text: [UInt8] = []

  /// How many entries there are.
  var count: Int { entries.count }
  /// About how much memory they take.
  var bytes: Int { entries.count * MemoryLayout<Entry>.stride + text.count }
  /// Whether there is enough for a digest.
  var isRipe: Bool {
    entries.count >= size.ripeLogs || text.count >= size.ripeTextBytes
  }

  init(_ size: DigestSize) { self.size = size }

  /// Keeps a log as it is now.
  mutating func append(_ log: DigestedLog) {
    entries.append(
      Entry(
        key: log.id.key, action: Int32(clamping: log.action), agent: Int32(clamping: log.agent),
        entityType: Int32(clamping: log.entityType), status: log.status.rawValue,
        trigger: log.trigger.rawValue, offset: UInt32(text.count),
        messageBytes: unsafe UInt32(log.message.count),
        nameBytes: unsafe UInt32(log.entityName.count),
        labelsBytes: unsafe UInt32(log.labels.count)))
    unsafe text.append(contentsOf: log.message)
    unsafe text.append(contentsOf: log.entityName)
    unsafe text.append(contentsOf: log.labels)
  }

  /// Adds what came later; what a digest covers goes there instead.
  mutating func append(_ newer: DigestBuffer, for digest: LogDigest?) {
    let limit = digest?.last ?? -1
    for entry in newer.entries {
      let start = Int(entry.offset)
      if let digest, entry.key <= limit {
        unsafe newer.text.withUnsafeBytes { unsafe newer.add(entry, $0, to: digest) }
        continue
      }
      var copy = entry
      copy.offset = UInt32(text.count)
      text.append(contentsOf: newer.text[start..<start + entry.textBytes])
      entries.append(copy)
    }
  }

  /// Takes one entry into a digest that covers it.
  private func add(_ entry: Entry, _ text: UnsafeRawBufferPointer, to digest: LogDigest) {
    let mask = digest.mask(of: entry.key)
    addFacts(of: entry, to: digest, mask)
    if entry.agent != 0 { digest.add(fact: DigestFact.token(.agent, Int64(entry.agent)), mask) }
    unsafe addTexts(of: entry, text, to: digest, mask)
    unsafe addLabels(of: entry, text, to: digest, mask)
  }

  // MARK: - Making a digest

  /// Makes a digest of the oldest entries, none above `limit`, and forgets those; nil: there are
  /// too few.
  mutating func takeDigest(
    of integration: IntegrationID, after: Int64, through limit: Int64
  ) -> LogDigest? {
    var order = entries.indices.map { (key: entries[$0].key, index: Int32($0)) }
    order.sort { $0.key < $1.key }
    guard let count = digestCount(order, through: limit) else { return nil }
    let covered = order[..<count]
    let step = (count + LogDigest.cells - 1) / LogDigest.cells
    let bounds = (1..<LogDigest.cells).map { covered[min($0 * step, count) - 1].key }
    let digest = LogDigest(
      integration: integration, after: after, last: covered[count - 1].key, bounds: bounds)
    fill(digest, covered.map { Int($0.index) })
    keep(order[count...].map { Int($0.index) }.sorted())
    return digest
  }

  /// How many of the oldest entries a digest takes: all that share its last key.
  private func digestCount(
    _ order: [(key: Int64, index: Int32)], through limit: Int64
  ) -> Int? {
    var (count, textBytes) = (0, 0)
    while count < size.logs, textBytes < size.textBytes {
      guard count < order.count else { return nil }
      textBytes += entries[Int(order[count].index)].textBytes
      count += 1
    }
    let last = order[count - 1].key
    guard last <= limit else { return nil }
    while count < order.count, order[count].key == last { count += 1 }
    return count
  }

  /// Facts first that few logs have differently, so that there is room for them.
  private func fill(_ digest: LogDigest, _ indices: [Int]) {
    unsafe text.withUnsafeBytes { text in
      var (cell, before, maskBefore) = (0, Entry?.none, UInt32(0))
      for index in indices {
        let entry = entries[index]
        let mask = digest.mask(of: entry.key, from: &cell)
        if mask != maskBefore || !entry.hasFacts(of: before) {
          addFacts(of: entry, to: digest, mask)
        }
        unsafe addTexts(of: entry, text, to: digest, mask)
        (before, maskBefore) = (entry, mask)
      }
      unsafe addAgentsAndLabels(of: indices, text, to: digest)
    }
  }

  private func addAgentsAndLabels(
    of indices: [Int], _ text: UnsafeRawBufferPointer, to digest: LogDigest
  ) {
    var cell = 0
    for index in indices where entries[index].agent != 0 {
      let mask = digest.mask(of: entries[index].key, from: &cell)
      digest.add(fact: DigestFact.token(.agent, Int64(entries[index].agent)), mask)
    }
    cell = 0
    for index in indices where entries[index].labelsBytes > 0 {
      let mask = digest.mask(of: entries[index].key, from: &cell)
      unsafe addLabels(of: entries[index], text, to: digest, mask)
    }
  }

  private func addLabels(
    of entry: Entry, _ text: UnsafeRawBufferPointer, to digest: LogDigest, _ mask: UInt32
  ) {
    guard entry.labelsBytes > 0 else { return }
    let start = Int(entry.offset) + Int(entry.messageBytes) + Int(entry.nameBytes)
    let labels = unsafe UnsafeRawBufferPointer(
      rebasing: text[start..<start + Int(entry.labelsBytes)])
    unsafe digest.add(labels: labels, mask)
  }

  private func addFacts(of entry: Entry, to digest: LogDigest, _ mask: UInt32) {
    digest.add(fact: DigestFact.token(.action, Int64(entry.action)), mask)
    digest.add(fact: DigestFact.token(.status, Int64(entry.status)), mask)
    digest.add(fact: DigestFact.token(.trigger, Int64(entry.trigger)), mask)
    if entry.entityType != 0 {
      digest.add(fact: DigestFact.token(.entityType, Int64(entry.entityType)), mask)
    }
  }

  private func addTexts(
    of entry: Entry, _ text: UnsafeRawBufferPointer, to digest: LogDigest, _ mask: UInt32
  ) {
    let start = Int(entry.offset)
    let middle = start + Int(entry.messageBytes)
    let message = unsafe UnsafeRawBufferPointer(rebasing: text[start..<middle])
    unsafe digest.add(text: message, mask)
    if entry.nameBytes > 0 {
      let name = unsafe UnsafeRawBufferPointer(
        rebasing: text[middle..<middle + Int(entry.nameBytes)])
      unsafe digest.add(text: name, mask)
    }
  }

  /// Forgets all other entries.
  private mutating func keep(_ indices: [Int]) {
    var rest = DigestBuffer(size)
    rest.entries.reserveCapacity(size.ripeLogs)
    rest.text.reserveCapacity(text.capacity)
    for index in indices {
      var entry = entries[index]
      let start = Int(entry.offset)
      entry.offset = UInt32(rest.text.count)
      rest.text.append(contentsOf: text[start..<start + entry.textBytes])
      rest.entries.append(entry)
    }
    self = rest
  }
}

/// How much one digest covers.
struct DigestSize {
  /// Logs.
  let logs: Int

  init(logs: Int) { self.logs = max(logs, LogDigest.cells) }

  /// Bytes of text, so that long messages do not blur it.
  var textBytes: Int { 192 * logs }
  /// Logs that are there when one is made: a quarter is kept back, because those of the last
  /// moments arrive in any order.
  var ripeLogs: Int { logs + logs / 4 }
  /// Bytes of text that are there when one is made.
  var ripeTextBytes: Int { textBytes + textBytes / 4 }
  /// Entries that cannot become a digest, because all their ids begin alike.
  var stuckLogs: Int { 4 * logs }
}

import IntegrationModel
import IntegrationStore

/// In which order the commands of a batch are done: as they came, but the first reports of logs
/// that follow each other by integration and id.
///
/// Such reports touch nothing but their own logs, so their order shows nowhere; repeats of one log
/// stay in theirs. In the order of the table they fill one page after the other.
struct BatchOrder {
  private struct Key: Comparable {
    var integration: IntegrationID
    var id: LogID
    var position: Int

    static func < (left: Key, right: Key) -> Bool {
      if left.integration != right.integration { return left.integration < right.integration }
      if left.id != right.id { return left.id < right.id }
      return left.position < right.position
    }
  }

  /// Places of commands in the batch.
  private(set) var positions: [Int] = []
  /// Used again for each run of reports.
  private var keys: [Key] = []

  /// Arranges the commands of a batch.
  mutating func arrange(_ batch: borrowing CommandBatch) {
    positions.removeAll(keepingCapacity: true)
    for position in 0..<batch.count {
      let entry = batch.entries[position]
      if entry.kind == .report, batch.reports[Int(entry.index)].mayBegin {
        let report = batch.reports[Int(entry.index)]
        keys.append(Key(integration: report.integration, id: report.logID, position: position))
      } else {
        endRun()
        positions.append(position)
      }
    }
    endRun()
  }

  /// Leaves the commands of a batch as they came.
  mutating func keep(_ batch: borrowing CommandBatch) {
    positions.removeAll(keepingCapacity: true)
    positions.append(contentsOf: 0..<batch.count)
  }

  private mutating func endRun() {
    if keys.count > 1 { keys.sort() }
    for key in keys { positions.append(key.position) }
    keys.removeAll(keepingCapacity: true)
  }
}

extension ReportCommand {
  /// Whether it looks like a log's first report; then the insert finds out without a look-up.
  var mayBegin: Bool {
    sequence <= 1 && leaseToken.isEmpty && !actionType.isEmpty && status != .queued
  }
}

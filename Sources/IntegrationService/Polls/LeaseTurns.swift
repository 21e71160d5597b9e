/// Who may ask the store for requests at once, and who waits for a turn.
///
/// A command of somebody who has gone is done all the same, before those of others. So each owner's
/// commands whose callers have gone are counted: beyond a number of them its next callers wait, and
/// ask one for one as these are done. Who goes while it waits costs nothing. So whoever polls and
/// cancels without end makes little work, and where nobody does, nobody waits.
struct LeaseTurns<Owner: Hashable & Sendable, Caller: Sendable>: Sendable {
  private struct Line: Sendable {
    /// Commands whose callers have gone, and those of callers that have waited.
    var counted = 0
    /// Those that wait, from `first` on; also some that have gone.
    var callers: [Caller] = []
    var first = 0
    /// From how many on those that have gone are taken out.
    var sweptFrom = Line.leastSwept

    static var leastSwept: Int { 64 }
  }

  /// How many commands are counted before others wait.
  let maximum: Int
  /// Of owners that have something counted.
  private var lines: [Owner: Line] = [:]

  init(maximum: Int) {
    self.maximum = maximum
  }

  /// How many owners have something counted.
  var owners: Int { lines.count }
  /// How many wait, those that have gone included.
  var waiting: Int { lines.values.reduce(0) { $0 + $1.callers.count - $1.first } }

  /// A caller may ask now, and is not counted; false: it waits for its turn.
  mutating func begin(
    _ caller: Caller, of owner: Owner, isThere: (Caller) -> Bool
  ) -> Bool {
    guard var line = lines.removeValue(forKey: owner) else { return true }
    defer { lines[owner] = line }
    guard line.counted >= maximum else { return true }
    if line.callers.count >= line.sweptFrom {
      line.callers = line.callers[line.first...].filter(isThere)
      line.first = 0
      line.sweptFrom = max(Line.leastSwept, 2 * line.callers.count)
    }
    line.callers.append(caller)
    return false
  }

  /// A caller that was not counted has gone while its command is under way.
  mutating func left(of owner: Owner) {
    lines[owner, default: Line()].counted += 1
  }

  /// A counted command is done: whose turn it is, counted from now on.
  ///
  /// While others are under way it may be left to these, where asking is in vain now.
  mutating func end(
    of owner: Owner, leavesTurn: Bool = false, isThere: (Caller) -> Bool
  ) -> [Caller] {
    guard var line = lines.removeValue(forKey: owner) else { return [] }
    line.counted -= 1
    defer { if line.counted > 0 { lines[owner] = line } }
    guard !(leavesTurn && line.counted > 0) else { return [] }
    var next: [Caller] = []
    while line.counted < maximum, line.first < line.callers.count {
      let caller = line.callers[line.first]
      line.first += 1
      guard isThere(caller) else { continue }
      line.counted += 1
      next.append(caller)
    }
    return next
  }
}

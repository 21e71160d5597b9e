/// The lines that wait for the reader of standard error, bounded, oldest first.
///
/// Where it is full lines are dropped and counted, up to the moment at which the reader takes what
/// waits; then a line says how many. A value without a lock.
struct WaitingLines {
  /// Bytes of lines that wait; what the reader is taking comes on top.
  let maximumBytes: Int
  private var text = ""
  private var dropped = 0
  private var isBeingRead = false

  init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

  /// Adds a line, or counts it as dropped; true: somebody has to begin to read.
  mutating func add(_ line: String) -> Bool {
    // Behind the first one that is dropped all are, so that the line about them stands there.
    if dropped > 0 || !text.isEmpty && text.utf8.count + line.utf8.count > maximumBytes {
      dropped += 1
      return false
    }
    return addAnyway(line)
  }

  /// Adds the line with which the program ends, however full it is.
  mutating func addLast(_ line: String, at time: @autoclosure () -> String) -> Bool {
    endGap(at: time())
    return addAnyway(line)
  }

  private mutating func addAnyway(_ line: String) -> Bool {
    text += line
    defer { isBeingRead = true }
    return !isBeingRead
  }

  private mutating func endGap(at time: @autoclosure () -> String) {
    guard dropped > 0 else { return }
    text +=
      "\(time()) level=warning event=log_lines_dropped lines=\(dropped) "
      + "hint=\"standard error took nothing; look after its reader\"\n"
    dropped = 0
  }

  /// What waits, for whoever reads; nil: nothing, and the reading is over.
  mutating func take(at time: @autoclosure () -> String) -> String? {
    endGap(at: time())
    guard !text.isEmpty else {
      isBeingRead = false
      return nil
    }
    defer { text = "" }
    return text
  }
}

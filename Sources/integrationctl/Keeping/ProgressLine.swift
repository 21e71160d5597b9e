/// One line on standard error that says how far long work is; only on a terminal.
struct ProgressLine {
  private let console: Console
  private var width = 0

  init(_ console: Console) { self.console = console }

  /// Shows a text in place of the one before.
  mutating func show(_ text: String) {
    guard console.ask != nil else { return }
    let padding = String(repeating: " ", count: max(0, width - text.count))
    console.warn("\r\(text)\(padding)")
    width = text.count
  }

  /// Leaves the line empty for what comes next.
  mutating func end() {
    guard width > 0 else { return }
    console.warn("\r\(String(repeating: " ", count: width))\r")
    width = 0
  }
}

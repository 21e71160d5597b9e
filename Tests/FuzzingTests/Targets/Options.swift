import CommandLineOptions
import RPCWire

extension FuzzTarget {
  /// Values of the command line and of the environment.
  ///
  /// Input: what the text is, then the text.
  static let options = FuzzTarget("options", maximumBytes: 160) { bytes in
    var input = FuzzInput(bytes)
    let kind = input.byte() % 4
    let text = input.restText
    switch kind {
    case 0:
      guard let address = try? ListenAddress(text) else { return }
      try require(
        (try? ListenAddress(address.description)) == address, "an address reads as another")
    case 1:
      guard let span = DurationText.parse(text) else { return }
      try require(span >= .zero, "a span is negative")
      try require(
        DurationText.parse(DurationText.format(span)) == span, "a span reads as another")
    case 2:
      guard let count = ByteCountText.parse(text) else { return }
      try require(count >= 0, "a number of bytes is negative")
      try require(
        ByteCountText.parse(ByteCountText.format(count)) == count, "a count reads as another")
    default:
      let forms: [ValueForm<Int>] = [.byteCount(1...1 << 40), .integer(-5...5)]
      for form in forms { _ = try? form.parse(text) }
      _ = try? ValueForm<Duration>.duration(.zero ... .seconds(1 << 40)).parse(text)
    }
  }
}

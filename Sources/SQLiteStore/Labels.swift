/// Labels as bytes: key NUL value NUL, and so on; texts never hold NUL.
enum Labels {
  /// The labels by key; a later one wins.
  static func decode(_ bytes: [UInt8]) -> [String: String] {
    var labels: [String: String] = [:]
    var parts = bytes.split(separator: 0, omittingEmptySubsequences: false)[...]
    while parts.count >= 2, let key = parts.popFirst(), let value = parts.popFirst() {
      labels[String(decoding: key, as: UTF8.self)] = String(decoding: value, as: UTF8.self)
    }
    return labels
  }

  /// The bytes, by key, so that equal labels are equal bytes.
  static func encode(_ labels: [String: String]) -> [UInt8] {
    var bytes: [UInt8] = []
    for (key, value) in labels.sorted(by: { $0.key < $1.key }) {
      bytes += key.utf8
      bytes.append(0)
      bytes += value.utf8
      bytes.append(0)
    }
    return bytes
  }
}

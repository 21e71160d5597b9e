import TestSupport

/// What Package.swift says of the targets, read as text.
struct Manifest {
  struct Target {
    let name: String
    /// The comment that heads its row: "codec".
    let row: String
    let dependencies: Set<String>
    /// From the bottom, 0, upwards: targets stand in this order.
    let place: Int
  }

  let targets: [Target]

  static let package = Result { Manifest(text: try SourceTree.text("Package.swift")) }

  init(text: String) {
    var row = ""
    var targets: [Target] = []
    let body = text.components(after: "  targets: [")
    let rowOrTarget =
      #/
      ^\ {4}//\ (?<row>\w+)
      | ^\ {4}(?:library|program|suite|\.target|\.systemLibrary)\(
        \s*(?:name:\ )?"(?<name>[\w-]+)"(?<rest>(?:.|\n)*?)\),?$
      /#.anchorsMatchLineEndings()
    for match in body.matches(of: rowOrTarget) {
      if let heading = match.output.row {
        row = String(heading)
      } else if let name = match.output.name {
        let quoted = (match.output.rest ?? "").matches(of: #/"([\w-]+)"/#).map { String($0.1) }
        targets.append(
          Target(
            name: String(name), row: row, dependencies: Set(quoted), place: targets.count))
      }
    }
    let names = Set(targets.map(\.name))
    self.targets = targets.map {
      Target(
        name: $0.name, row: $0.row, dependencies: $0.dependencies.intersection(names),
        place: $0.place)
    }
  }

  var sources: [Target] { targets.filter { $0.row != "tests" } }

  func target(_ name: String) -> Target? { targets.first { $0.name == name } }
}

extension String {
  /// What follows the first occurrence of `marker`; nothing without one.
  func components(after marker: String) -> Substring {
    guard let range = self.firstRange(of: marker) else { return "" }
    return self[range.upperBound...]
  }
}

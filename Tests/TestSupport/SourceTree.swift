import Foundation

/// The package's own sources, for tests that read them.
public enum SourceTree {
  /// The package's directory, found upwards from this file.
  public static let root: String = {
    var directory = URL(fileURLWithPath: #filePath)
    while directory.path != "/" {
      directory.deleteLastPathComponent()
      let manifest = directory.appendingPathComponent("Package.swift").path
      if FileManager.default.fileExists(atPath: manifest) { return directory.path }
    }
    return FileManager.default.currentDirectoryPath
  }()

  /// The text of a file, by its path from the root.
  public static func text(_ path: String) throws -> String {
    try String(contentsOfFile: root + "/" + path, encoding: .utf8)
  }

  /// The paths, from the root, of the files below `folder` whose name ends in one of `suffixes`.
  public static func files(below folder: String, _ suffixes: [String]) -> [String] {
    let base = URL(fileURLWithPath: root + "/" + folder).resolvingSymlinksInPath().path
    let walk = FileManager.default.enumerator(atPath: base)
    var found: [String] = []
    while let path = walk?.nextObject() as? String {
      if suffixes.contains(where: path.hasSuffix) { found.append(folder + "/" + path) }
    }
    return found.sorted()
  }
}

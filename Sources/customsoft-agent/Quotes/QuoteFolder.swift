import FoundationEssentials
import Glibc

/// The folder that quotes and contacts are found in.
struct QuoteFolder: Sendable {
  /// The most files that are looked at; default for a folder that people fill by hand.
  static let maximumFiles = 10_000

  let path: String

  /// Every quote in the folder, by file name and place in the file.
  ///
  /// Files named `contacts…` hold no quotes; other endings than .csv and .json are passed over.
  ///
  /// - Throws: A fault when the folder itself cannot be read.
  func quotes() throws(SourceFault) -> [QuoteFile.Found] {
    try names { !$0.hasPrefix("contacts") && ($0.hasSuffix(".csv") || $0.hasSuffix(".json")) }
      .flatMap { name in
        do throws(SourceFault) {
          return QuoteFile.read(name: name, contents: try contents(of: name))
        } catch {
          return [QuoteFile.unreadable(name: name, error)]
        }
      }
  }

  /// The quote with this number; nil where no file has it.
  ///
  /// The last file by name wins.
  func quote(numbered number: String) throws(SourceFault) -> QuoteFile.Found? {
    try quotes().last { $0.number == number }
  }

  /// The contacts of one file, or of every `contacts….csv` in the folder.
  func contacts(in file: String?) throws(SourceFault) -> [ContactFile.Row] {
    var rows: [ContactFile.Row] = []
    let files: [String]
    if let file {
      guard !file.isEmpty, !file.contains("/"), file != "..", file != "." else {
        throw SourceFault(
          "\"\(file)\" is no file name; give the name of a file in the folder, without a path.")
      }
      files = [file]
    } else {
      files = try names { $0.hasPrefix("contacts") && $0.hasSuffix(".csv") }
    }
    guard !files.isEmpty else {
      throw SourceFault(
        "The folder \(path) has no contacts file; put one there, named contacts.csv with the"
          + " columns account, name, email, phone.")
    }
    for file in files { rows += try ContactFile(name: file, contents: contents(of: file)).rows }
    return rows
  }

  private func names(
    where isWanted: (String) -> Bool
  ) throws(SourceFault) -> [String] {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw SourceFault(
        "The folder \(path) cannot be read; give --quotes a folder that exists and may be read.")
    }
    let wanted = names.filter { !$0.hasPrefix(".") && isWanted($0.lowercased()) }.sorted()
    guard wanted.count <= Self.maximumFiles else {
      throw SourceFault(
        "The folder \(path) holds \(wanted.count) files; \(Self.maximumFiles) is the limit: move"
          + " old ones away.")
    }
    return wanted
  }

  private func contents(of name: String) throws(SourceFault) -> [UInt8] {
    let file = "\(path)/\(name)"
    var status = stat()
    guard unsafe stat(file, &status) == 0 else {
      throw SourceFault("there is no file \(name) in \(path) that may be read.")
    }
    // A pipe would be waited on for ever.
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw SourceFault("\(name) is no ordinary file; take it out of \(path).")
    }
    guard status.st_size <= QuoteFile.maximumBytes else {
      throw SourceFault(
        "it has \(status.st_size) bytes, and \(QuoteFile.maximumBytes) is the limit; split it.")
    }
    do {
      return Array(try Data(contentsOf: URL(fileURLWithPath: file)))
    } catch {
      throw SourceFault("\(name) in \(path) may not be read; see who may read it.")
    }
  }
}

import Dispatch

/// The folder for handlers that run at the same time: files are read on a queue of its own.
struct QuoteSource: Sendable {
  let folder: QuoteFolder
  private let queue = DispatchQueue(label: "customsoft.folder")

  init(folder: QuoteFolder) {
    self.folder = folder
  }

  func quotes() async throws(SourceFault) -> [QuoteFile.Found] {
    try await queue.run { [folder] () throws(SourceFault) in try folder.quotes() }
  }

  func quote(numbered number: String) async throws(SourceFault) -> QuoteFile.Found? {
    try await queue.run { [folder] () throws(SourceFault) in try folder.quote(numbered: number) }
  }

  func contacts(in file: String?) async throws(SourceFault) -> [ContactFile.Row] {
    try await queue.run { [folder] () throws(SourceFault) in try folder.contacts(in: file) }
  }
}

import CommandLineOptions
import Glibc

/// `man`: the manual pages.
enum ManualCommand {
  static let directory = Positional.optional(
    .path.named("DIR").completed(with: .directories),
    help: "where to write all pages; without it the first one is printed")

  static let verb: Verb = Verb(
    Command("man", "manual pages, made from what help shows", positionals: [directory])
      .withExamples([
        CommandExample("integrationctl man | man -l -", "read the first page"),
        CommandExample("integrationctl man /usr/local/share/man/man1", "install all pages"),
      ])
  ) { invocation in
    let pages = CommandLineProgram(CommandTree.root).manualPages
    guard let directory = invocation.arguments[directory] else {
      return try invocation.console.write(pages[0].text)
    }
    _ = unsafe mkdir(directory, 0o755)
    for page in pages { try write(page.text, to: "\(directory)/\(page.fileName)") }
    try invocation.console.write("Wrote \(pages.count) pages to \(directory).\n")
  }.local()

  private static func write(_ text: String, to path: String) throws(Failure) {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    let isWritten = descriptor >= 0 && FileText.write(text, to: descriptor)
    let code = errno
    if descriptor >= 0 { close(descriptor) }
    guard isWritten else {
      throw Failure(
        .refused, "the page \(path) cannot be written: \(Failure.systemMessage(code))",
        next: "Name a directory that you may write.")
    }
  }
}

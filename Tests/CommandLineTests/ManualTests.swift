import CommandLineOptions
import Foundation
import TestSupport
import Testing

@testable import integrationctl

@Suite struct ManualTests {
  static let pages = CommandLineProgram(CommandTree.root).manualPages

  @Test("There is a page for the program and one for each noun")
  func names() {
    let nouns = CommandTree.root.subcommands.filter { !$0.subcommands.isEmpty }.map(\.name)
    #expect(
      Self.pages.map(\.fileName)
        == ["integrationctl.1"] + nouns.map { "integrationctl-\($0).1" })
  }

  @Test("A page names every verb, flag and example", arguments: Self.pages.map(\.fileName))
  func whole(fileName: String) throws {
    let page = try #require(Self.pages.first { $0.fileName == fileName })
    let noun = fileName.dropFirst("integrationctl-".count).dropLast(2)
    let command =
      CommandTree.root.subcommands.first { $0.name == noun } ?? CommandTree.root
    for verb in command.subcommands where command.name != "integrationctl" {
      #expect(page.text.contains(".SS \"integrationctl \(noun) \(verb.name)"), "\(verb.name)")
      for flag in verb.flags {
        let name = flag.declaration.name.long.replacing("-", with: "\\-")
        #expect(page.text.contains("\\fB\\-\\-\(name)\\fR"), "--\(name)")
      }
    }
    for section in [".TH ", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH EXAMPLES\n", ".SH SEE ALSO\n"] {
      #expect(page.text.contains(section), "\(section)")
    }
  }

  @Test("Every line is text or a request that man(7) knows", arguments: Self.pages.map(\.text))
  func structure(text: String) {
    let known = ["TH", "SH", "SS", "TP", "PP", "B", "I", "nf", "fi", "RS", "RE"]
    var depth = 0
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
      #expect(!line.isEmpty && !line.hasPrefix("'"), "\(line)")
      #expect(line.utf8.allSatisfy { $0 < 0x80 }, "\(line)")
      guard line.hasPrefix("."), !line.hasPrefix(".\\\"") else { continue }
      let request = line.dropFirst().prefix { $0 != " " }
      #expect(known.contains(String(request)), "\(line)")
      if request == "nf" { depth += 1 }
      if request == "fi" { depth -= 1 }
      #expect((0...1).contains(depth))
    }
    #expect(depth == 0)
  }

  @Test("man writes all pages into a directory, and the first one without")
  func writing() async throws {
    let scratch = try ScratchDirectory()
    let outcome = await Desk().run("man", scratch.file("man1"))
    #expect(outcome.output == "Wrote \(Self.pages.count) pages to \(scratch.file("man1")).\n")
    for page in Self.pages {
      let text = try String(contentsOfFile: scratch.file("man1/\(page.fileName)"), encoding: .utf8)
      #expect(text == page.text)
    }
    #expect(await Desk().run("man").output == Self.pages[0].text)
    #expect(await Desk().run("--man").output == Self.pages[0].text)
    #expect(await Desk().run("logs", "--man").output.hasPrefix(".\\\""))
    let refused = await Desk().run("man", "/proc/none")
    #expect(refused.code == .refused)
    #expect(refused.errors.contains("/proc/none/integrationctl.1"))
  }
}

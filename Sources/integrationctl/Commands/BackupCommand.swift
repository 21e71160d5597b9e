import CommandLineOptions
import Glibc
import IntegrationAPI
import RPCWire

/// `server backup`: a copy of the database while the server works.
enum BackupCommand {
  static let file = Positional.required(
    ValueForm<String>.path.named("FILE"), help: "the new file, on the server's machine")

  static let verb = Verb(
    Command(
      "backup", "copy the database into a new file while the server works", positionals: [file]
    )
    .withExamples([
      CommandExample("integrationctl server backup /backup/monday.db", "make a backup"),
      CommandExample(
          "integrationctl server backup monday.db", "into this directory of the server's machine"),
      ])
      return document.text
    }
    guard reply.problems.isEmpty else {
      throw Failure(
        .refused, "\(reply.problems.count) problems were found",
        next: "Make a backup of what there is (integrationctl server backup), then restore the "
          + "last one that was whole: integrationd --restore.")
    }
  }
}

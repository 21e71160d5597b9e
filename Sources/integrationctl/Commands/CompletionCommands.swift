import CommandLineOptions

/// `completion`: scripts for shells.
enum CompletionCommands {
  static let noun = Noun(
    Command("completion", "the Tab key completes commands, flags, names and ids").withExamples([
      CommandExample(
        "echo 'source <(integrationctl completion bash)' >> ~/.bashrc", "for good, in bash"),
      CommandExample("source <(integrationctl completion zsh)", "in this zsh"),
      CommandExample(
        "integrationctl completion fish > ~/.config/fish/completions/integrationctl.fish",
        "for good, in fish"),
    ]).withDiscussion(
      "Names and ids come from the server that the line means, within 300 ms or not at all."),
    [
      verb(.bash, "~/.local/share/bash-completion/completions/integrationctl"),
      verb(.zsh, "~/.zfunc/_integrationctl"),
      verb(.fish, "~/.config/fish/completions/integrationctl.fish"),
    ])

  private static func verb(_ shell: CompletionShell, _ file: String) -> Verb {
    Verb(
      Command(shell.rawValue, "the script for \(shell.rawValue)").withExamples([
        CommandExample(
          "integrationctl completion \(shell.rawValue) > \(file)", "for good, in new shells")
      ])
    ) { try $0.console.write(shell.script("integrationctl")) }.local()
  }
}

/// The words of the process's own command line.
public enum CommandLineWords {
  /// All but the program's name; a usage error names the word that is not valid UTF-8, for what is
  /// repaired in silence would name another record.
  public static func ofProcess() throws(UsageError) -> [String] {
    var words: [String] = []
    for place in 1..<max(1, Int(CommandLine.argc)) {
      guard let start = unsafe CommandLine.unsafeArgv[place] else { break }
      guard let word = unsafe String(validatingCString: start) else {
        throw UsageError(
          "argument \(place) is not valid UTF-8: \"\(CommandLine.arguments[place].prefix(80))\"",
          hint: "Is the terminal's encoding another one? See: locale")
      }
      words.append(word)
    }
    return words
  }
}

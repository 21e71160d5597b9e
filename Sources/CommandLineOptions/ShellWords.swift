/// The words of a line as a shell splits them, as far as completion needs it: quotes and
/// backslashes, but no substitution.
enum ShellWords {
  /// The words of an unfinished line; the last one, perhaps empty, is where the cursor stands.
  static func split(unfinished line: String) -> [String] {
    var words: [String] = []
    var word = ""
    var isWord = false
    var quote: Character?
    var isEscaped = false
    for character in line {
      if isEscaped {
        word.append(character)
        isEscaped = false
      } else if character == "\\", quote != "'" {
        (isEscaped, isWord) = (true, true)
      } else if let open = quote {
        if character == open { quote = nil } else { word.append(character) }
      } else if character == "'" || character == "\"" {
        (quote, isWord) = (character, true)
      } else if character == " " || character == "\t" || character == "\n" {
        if isWord { words.append(word) }
        (word, isWord) = ("", false)
      } else {
        word.append(character)
        isWord = true
      }
    }
    return words + [word]
  }
}

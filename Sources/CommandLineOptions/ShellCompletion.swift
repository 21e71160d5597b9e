/// A shell that completes a program's command lines by asking the program.
public enum CompletionShell: String, CaseIterable, Sendable {
  /// GNU bash, 4.4 or newer.
  case bash
  /// The Z shell, 5.0 or newer.
  case zsh
  /// fish, 3.0 or newer.
  case fish

  /// The word behind the program's name with which scripts ask for candidates.
  public static let request = "__complete"

  /// The words of the line that a script of this shell hands over behind ``request`` and its name;
  /// the last one is unfinished.
  public func words(_ handed: [String]) -> [String] {
    switch self {
    case .bash:
      // The whole line up to the cursor as one text: bash's own words are cut at "=" and ":".
      let words = ShellWords.split(unfinished: handed.first ?? "")
      let name = words.firstIndex { !$0.contains("=") } ?? 0
      return words.count > name + 1 ? Array(words[(name + 1)...]) : [""]
    case .zsh, .fish: return handed.isEmpty ? [""] : handed
    }
  }

  /// The answer to a script: a first line that begins with a colon and says how to go on, then a
  /// candidate a line, in zsh and fish with a tab and a few words about it.
  public func answer(_ candidates: [CompletionCandidate], at point: CompletionPoint) -> String {
    switch point.kind {
    case .some(.files): return ":files\n"
    case .some(.directories): return ":directories\n"
    default: break
    }
    let fitting = candidates.filter { $0.value.hasPrefix(point.typed) }
    let isOpen = !fitting.isEmpty && fitting.allSatisfy { ":=".contains($0.value.last ?? " ") }
    var text = isOpen ? ":nospace\n" : ":\n"
    for candidate in fitting {
      let whole = point.prefix + candidate.value
      switch self {
      case .bash: text += Self.behindBreak(whole, typed: point.prefix + point.typed) + "\n"
      case .zsh, .fish:
        let about = candidate.about.map { $0.isNewline || $0 == "\t" ? " " : $0 }
        text += whole + (about.isEmpty ? "" : "\t" + String(about)) + "\n"
      }
    }
    return text
  }

  /// bash replaces only what stands behind the last "=" or ":" of the word, so that what stands
  /// before it must not come again.
  private static func behindBreak(_ word: String, typed: String) -> String {
    guard let sign = typed.lastIndex(where: { $0 == "=" || $0 == ":" }) else { return word }
    return String(word.dropFirst(typed.distance(from: typed.startIndex, to: sign) + 1))
  }

  /// The script that a user loads; it only asks the program and hands on what comes.
  public func script(_ program: String) -> String {
    let function = "_" + program.map { $0.isLetter || $0.isNumber ? $0 : "_" }
    switch self {
    case .bash: return Self.bash(program, function)
    case .zsh: return Self.zsh(program, function)
    case .fish: return Self.fish(program, "_" + function)
    }
  }

  private static func bash(_ program: String, _ function: String) -> String {
    """
    # bash completion of \(program). Load it with: source <(\(program) completion bash)
    \(function)() {
      local cur=${COMP_WORDS[COMP_CWORD]} line first=1
      [[ $cur == [=:] ]] && cur=
      COMPREPLY=()
      while IFS= read -r line; do
        if ((first)); then
          first=0
          case $line in
            :files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
            :directories) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
            :nospace) compopt -o nospace ;;
          esac
        else
          COMPREPLY+=("$line")
        fi
      done < <("$1" \(request) bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    }
    complete -o nosort -F \(function) \(program)

    """
  }

  private static func zsh(_ program: String, _ function: String) -> String {
    """
    #compdef \(program)
    # zsh completion of \(program). Load it with: source <(\(program) completion zsh)
    \(function)() {
      local -a lines values shown options
      local line
      lines=("${(@f)$("${(Q)words[1]}" \(request) zsh "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
      case $lines[1] in
        :files) _files; return ;;
        :directories) _files -/; return ;;
        :nospace) options=(-S '') ;;
      esac
      for line in "${(@)lines[2,-1]}"; do
        values+=("${line%%$'\\t'*}")
        if [[ $line == *$'\\t'* ]]; then
          shown+=("${line%%$'\\t'*}  -- ${line#*$'\\t'}")
        else
          shown+=("$line")
        fi
      done
      (( $#values )) && compadd -l -V \(program) $options -d shown -a -- values
    }
    if [[ $funcstack[1] == \(function) ]]; then
      \(function) "$@"
    else
      compdef \(function) \(program)
    fi

    """
  }

  private static func fish(_ program: String, _ function: String) -> String {
    """
    # fish completion of \(program). Load it with: \(program) completion fish | source
    function \(function)
      set -l words (commandline -opc)
      set -l lines ($words[1] \(request) fish $words[2..-1] (commandline -ct) 2>/dev/null)
      switch "$lines[1]"
        case :files
          __fish_complete_path (commandline -ct)
        case :directories
          __fish_complete_directories (commandline -ct)
        case '*'
          for line in $lines[2..-1]
            printf '%s\\n' $line
          end
      end
    end
    complete -c \(program) -k -f -a '(\(function))'

    """
  }
}

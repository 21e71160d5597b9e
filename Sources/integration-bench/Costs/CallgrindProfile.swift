/// What a run of a program cost, read from the file that valgrind's callgrind writes at its end.
///
/// Source: Callgrind Format Specification, valgrind's manual, chapter 11.
struct CallgrindProfile {
  /// Instructions of all threads.
  private(set) var instructions: Int64 = 0
  /// Allocations by the library whose code asked for them: `libsqlite3`, `libswiftCore`.
  private(set) var allocations: [String: Int64] = [:]
  /// System calls by the function that made them: `read`, `epoll_wait`.
  private(set) var systemCalls: [String: Int64] = [:]

  private static let allocators: Set<Substring> = [
    "malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign",
  ]
  /// Where an allocator calls another, and the loader before the program begins.
  private static let insiders: Set = ["libc", "ld-linux-x86-64", "ld-linux-aarch64"]

  /// Nil: the text is no profile with instructions and system calls.
  init?(_ text: String) {
    var reader = Reader()
    for line in text.split(separator: "\n") { reader.take(line) }
    guard reader.events.contains("Ir"), reader.events.contains("sysCount") else { return nil }
    self = reader.profile
  }

  /// What this run cost more than another.
  func minus(_ other: CallgrindProfile) -> CallgrindProfile {
    var difference = self
    difference.instructions -= other.instructions
    difference.allocations.merge(other.allocations.mapValues(-), uniquingKeysWith: +)
    difference.systemCalls.merge(other.systemCalls.mapValues(-), uniquingKeysWith: +)
    return difference
  }

  private init() {}

  /// Takes line by line; a line means what the lines before it say.
  private struct Reader {
    var profile = CallgrindProfile()
    var events: [Substring] = []
    /// Names are written once and then only their numbers, each kind with numbers of its own.
    private var objects: [Substring: Substring] = [:]
    private var functions: [Substring: Substring] = [:]
    private var object: Substring = ""
    private var function: Substring = ""
    private var called: Substring = ""
    /// The next line of costs is that of a call, what the called function took included.
    private var isCall = false

    mutating func take(_ line: Substring) {
      guard let first = line.first else { return }
      if first.isNumber || "+-*".contains(first) { return takeCosts(line) }
      guard let end = line.firstIndex(where: { $0 == "=" || $0 == ":" }) else { return }
      let value = line[line.index(after: end)...].drop { $0 == " " }
      switch line[..<end] {
      case "events": events = value.split(separator: " ")
      case "ob": object = Self.name(value, &objects)
      case "cob": _ = Self.name(value, &objects)
      case "fn": function = Self.name(value, &functions)
      case "cfn": called = Self.name(value, &functions)
      case "calls": takeCall(value)
      default: break
      }
    }

    private mutating func takeCall(_ value: Substring) {
      isCall = true
      guard CallgrindProfile.allocators.contains(called) else { return }
      let library = Self.library(object)
      guard !CallgrindProfile.insiders.contains(library) else { return }
      profile.allocations[library, default: 0] += Self.number(value.prefix { $0 != " " })
    }

    /// A place and one number for each event; zeros at the end are left out.
    private mutating func takeCosts(_ line: Substring) {
      let wasCall = isCall
      isCall = false
      guard !wasCall else { return }
      let costs = line.split(separator: " ").dropFirst()
      for (event, cost) in zip(events, costs) {
        if event == "Ir" { profile.instructions += Self.number(cost) }
        if event == "sysCount", cost != "0" {
          profile.systemCalls[Self.plain(function), default: 0] += Self.number(cost)
        }
      }
    }

    /// `sem_post@@GLIBC_2.34` is `sem_post`, and `read'2`, called by itself, is `read`.
    private static func plain(_ function: Substring) -> String {
      String(function.prefix { $0 != "@" && $0 != "'" })
    }

    private static func number(_ text: Substring) -> Int64 { Int64(text) ?? 0 }

    /// `(12) name` or, later, `(12)`.
    private static func name(
      _ value: Substring, _ names: inout [Substring: Substring]
    ) -> Substring {
      guard value.first == "(", let end = value.firstIndex(of: ")") else { return value }
      let number = value[...end]
      let name = value[value.index(after: end)...].drop { $0 == " " }
      if !name.isEmpty { names[number] = name }
      return names[number] ?? ""
    }

    /// `/usr/lib/libsqlite3.so.0.8.6` is `libsqlite3`.
    private static func library(_ path: Substring) -> String {
      let file = path.split(separator: "/").last ?? path
      return file.firstRange(of: ".so").map { String(file[..<$0.lowerBound]) } ?? String(file)
    }
  }
}

import CommandLineOptions
import IntegrationAPI
import RPCWire

/// What the bulk verbs take beside a filter.
enum BulkFlags {
  static let rate = Flag.value(
    "rate", .integer(0...100_000), default: UInt32(50),
    help: "at most so many a second; 0: no limit")
  static let resume = Flag.optional(
    "continue", .text.named("TOKEN"), help: "go on where an interrupted run ended")
  static let all: [any DeclaredFlag] = [rate, resume]
}

/// What steps over a filter have done, as programs get it.
struct BulkSummary: Encodable, Equatable, Sendable {
  /// Retried or cancelled.
  var done: UInt32 = 0
  /// Runs; its agent was asked to stop.
  var askedAgents: UInt32 = 0
  /// Was retried before, or is handled.
  var skipped: UInt32 = 0
  var failed: UInt32 = 0
  /// The first that were refused.
  var failures: [Failed] = []
  /// Where to go on; empty: all was done.
  var nextPageToken = ""

  struct Failed: Encodable, Equatable, Sendable {
    var id: String
    var reason: String
    var message: String
  }

  /// How many refusals are kept to be shown.
  static let maximumFailures = 10

  mutating func add(_ refused: [BulkFailure]) {
    failed += UInt32(refused.count)
    for failure in refused.prefix(max(0, Self.maximumFailures - failures.count)) {
      failures.append(Failed(id: failure.id, reason: failure.reason, message: failure.message))
    }
  }

  /// The refusals for people.
  var failureText: String {
    guard failed > 0 else { return "" }
    var lines = failures.map { "  \($0.id): \($0.message) [\($0.reason)]" }
    let rest = Int(failed) - failures.count
    if rest > 0 { lines.append("  and \(rest) more") }
    return lines.map { DisplayWidth.printable($0) + "\n" }.joined()
  }
}

/// Does something to every log of a filter in steps: asks first, shows how far it is, keeps to a
/// rate, can be interrupted and continued.
struct BulkRun {
  /// What is done to a filter's logs.
  struct Work: Sendable {
    /// `Retry`, `Cancel`.
    let verb: String
    /// `retried`, `cancelled`.
    let done: String
    /// `log`, `request`.
    let noun: String
    /// `logs retry`, for the line that continues.
    let command: String
    /// The largest step that a call may ask for.
    static let maximumStep: UInt32 = 1000

    /// How many there are, up to a limit; true: there are more.
    let count: @Sendable (OperatorServiceClient, LogFilter) async throws -> (UInt64, isMore: Bool)
    /// The first of them.
    let sample: @Sendable (OperatorServiceClient, LogFilter, UInt32) async throws -> [ActionLog]
    /// One step: adds to the summary what became of it, and where to go on.
    let step: @Sendable (OperatorServiceClient, Step, inout BulkSummary) async throws -> Void
  }

  /// What one step is told.
  struct Step: Sendable {
    let filter: LogFilter
    let size: UInt32
    let token: String
    let reason: String
  }

  let invocation: Invocation
  let work: Work
  let filter: LogFilter

  /// A run over what there is now: what comes about while it asks and works is not meant.
  init(invocation: Invocation, work: Work, filter: LogFilter) {
    self.invocation = invocation
    self.work = work
    var filter = filter
    if filter.until == nil {
      let now = invocation.console.now()
      filter.until = WallTime(milliseconds: now.milliseconds + 1).timestamp
    }
    self.filter = filter
  }

  /// How many logs are shown before the question.
  static let sampleSize: UInt32 = 5

  private var console: Console { invocation.console }
  private var rate: UInt32 { invocation.arguments[BulkFlags.rate] }

  func run() async throws {
    let client = try await invocation.client()
    let token = invocation.arguments[BulkFlags.resume] ?? ""
    var total: UInt64 = 0
    if token.isEmpty || !invocation.arguments[GlobalFlags.yes] {
      let (count, isMore) = try await answered { try await work.count(client, filter) }
      total = count
      if token.isEmpty, count == 0 { return try finish(BulkSummary(), interrupted: false) }
      try await ask(client, count, isMore, isContinued: !token.isEmpty)
    }
    var summary = BulkSummary(nextPageToken: token)
    var failure: (any Error)?
    try await console.interrupts.deferred {
      do {
        try await steps(client, total, &summary)
      } catch {
        failure = error
      }
    }
    if let failure {
      console.progress?("")
      if summary.done > 0 || summary.failed > 0 { console.warn(text(summary)) }
      let hasPlace = !summary.nextPageToken.isEmpty || summary.done > 0
      // A token that the server does not take leads nowhere.
      if hasPlace, (failure as? Failure)?.reason != "PAGE_TOKEN_INVALID" {
        console.warn(continuation(summary))
      }
      throw failure
    }
    try finish(
      summary, interrupted: console.interrupts.haveCome() || !summary.nextPageToken.isEmpty)
  }

  private func ask(
    _ client: OperatorServiceClient, _ count: UInt64, _ isMore: Bool, isContinued: Bool
  ) async throws {
    guard !invocation.arguments[GlobalFlags.yes] else { return }
    if console.ask != nil {
      let sample = try await answered {
        try await work.sample(client, filter, Self.sampleSize)
      }
      for log in sample { console.warn(LogTail.line(log, console.presentation)) }
      if count > UInt64(sample.count) { console.warn("…\n") }
    }
    let amount = "\(isMore ? "more than " : "")\(count)"
    let rest = isContinued ? "what is left of " : ""
    try invocation.confirm(
      "\(work.verb) \(rest)\(amount) \(work.noun)\(count == 1 ? "" : "s")?")
  }

  /// Makes calls; what the server refuses becomes a failure with its exit code.
  private func answered<Value>(_ calls: () async throws -> Value) async throws -> Value {
    do {
      return try await calls()
    } catch let error as RPCError {
      throw Failure(error, server: invocation.arguments[GlobalFlags.server])
    }
  }

  /// Steps until the end, or until somebody interrupts.
  private func steps(
    _ client: OperatorServiceClient, _ total: UInt64, _ summary: inout BulkSummary
  ) async throws {
    let start = ContinuousClock.now
    // Half a second's worth, so that Ctrl-C is heard soon and the rate is even.
    let size = rate == 0 ? Work.maximumStep : min(Work.maximumStep, max(1, rate / 2))
    repeat {
      let step = Step(
        filter: filter, size: size, token: summary.nextPageToken,
        reason: invocation.arguments[GlobalFlags.reason])
      var next = summary
      try await answered { try await work.step(client, step, &next) }
      summary = next
      show(summary, total, since: start)
      guard !summary.nextPageToken.isEmpty else { break }
      let spent = ContinuousClock.now - start
      let worked = summary.done + summary.failed + summary.askedAgents
      if rate > 0 {
        try await console.interrupts.pause(.seconds(Double(worked) / Double(rate)) - spent)
      }
    } while !console.interrupts.haveCome()
    console.progress?("")
  }

  private func show(
    _ summary: BulkSummary, _ total: UInt64, since start: ContinuousClock.Instant
  ) {
    guard let progress = console.progress else { return }
    let seconds = max(0.001, (ContinuousClock.now - start) / .seconds(1))
    let speed = Int((Double(summary.done + summary.askedAgents) / seconds).rounded())
    let of = total > 0 ? " of \(total)" : ""
    progress("\(summary.done)\(of) \(work.done), \(summary.failed) failed, \(speed)/s")
  }

  private func finish(_ summary: BulkSummary, interrupted: Bool) throws {
    try invocation.write(summary) { _ in text(summary) }
    if !summary.failureText.isEmpty { console.warn(summary.failureText) }
    if interrupted {
      console.warn(continuation(summary))
      throw Failure(.interrupted, "interrupted; what was \(work.done) stays so")
    }
    guard summary.failed > 0 else { return }
    throw Failure(
      .refused, "\(summary.failed) \(work.noun)\(summary.failed == 1 ? " was" : "s were") refused")
  }

  private func text(_ summary: BulkSummary) -> String {
    if summary == BulkSummary() { return "No \(work.noun) matches.\n" }
    var words = ["\(summary.done) \(work.done)"]
    if summary.askedAgents > 0 { words.append("\(summary.askedAgents) asked to stop") }
    if summary.skipped > 0 { words.append("\(summary.skipped) skipped") }
    words.append("\(summary.failed) failed")
    return words.joined(separator: ", ") + ".\n"
  }

  private func continuation(_ summary: BulkSummary) -> String {
    var line = "integrationctl \(work.command) \(FilterFlags.line(filter))"
    let reason = invocation.arguments[GlobalFlags.reason]
    if !reason.isEmpty { line += " --reason \(ShellWord.quoted(reason))" }
    if rate != BulkFlags.rate.declaration.standard { line += " --rate \(rate)" }
    if !summary.nextPageToken.isEmpty {
      line += " --continue \(ShellWord.quoted(summary.nextPageToken))"
    }
    return "To go on: \(line)\n"
  }
}

extension FlagDeclaration {
  /// The default of a flag with a number.
  fileprivate var standard: UInt32? { defaultText.flatMap { UInt32($0) } }
}

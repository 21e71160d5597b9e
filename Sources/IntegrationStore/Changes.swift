import IntegrationModel

/// A place in the journal of changed logs: behind an entry of a commit.
///
/// Later changes have greater places. It means nothing to another journal.
public struct ChangePlace: Hashable, Comparable, Sendable {
  /// Which journal; a new one begins when nobody has asked for longer than it is kept.
  public var journal: Int64
  /// The commit, counted by the journal.
  public var commit: Int64
  /// How many of its changes lie before the place.
  public var entry: Int64

  /// Makes a place.
  public init(journal: Int64, commit: Int64, entry: Int64) {
    self.journal = journal
    self.commit = commit
    self.entry = entry
  }

  /// Earlier places first; meaningful within one journal.
  public static func < (left: ChangePlace, right: ChangePlace) -> Bool {
    (left.journal, left.commit, left.entry) < (right.journal, right.commit, right.entry)
  }
}

/// What is asked of the journal.
public struct ChangeQuery: Sendable {
  /// Behind this place.
  public var after: ChangePlace
  /// At most so many logs, 1 to 1000.
  public var limit: Int

  /// Makes a query.
  public init(after: ChangePlace, limit: Int = 1_000) {
    self.after = after
    self.limit = limit
  }
}

/// A page of changed logs.
///
/// A log stands where it was changed last, so that over all pages each state of a log comes once;
/// what was deleted is left out.
public struct ChangePage: Sendable {
  /// The logs, each with the place behind its change.
  public var logs: [(log: StoredLog, place: ChangePlace)]
  /// Where to go on: with `isEnd` behind everything that was committed when the page was read.
  public var next: ChangePlace
  /// Whether this was the last page for now.
  public var isEnd: Bool
  /// The last commit that the page has seen.
  public var commit: Int64

  /// Makes a page.
  public init(
    logs: [(log: StoredLog, place: ChangePlace)], next: ChangePlace, isEnd: Bool, commit: Int64
  ) {
    self.logs = logs
    self.next = next
    self.isEnd = isEnd
    self.commit = commit
  }
}

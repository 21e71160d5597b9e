/// Behind which commands those are done that are submitted together.
///
/// None overtakes one that is `common` and was submitted before it. What an integration has waiting
/// beyond its share is done in turns with all else, so that others do not wait for it.
public enum CommandOrder: Hashable, Sendable {
  /// Behind all of this kind.
  case common
  /// Behind all of the same integration, and all that are `common`.
  case integration(IntegrationID)
  /// Behind all that was submitted before: for what looks at what the others may have changed.
  case last
}

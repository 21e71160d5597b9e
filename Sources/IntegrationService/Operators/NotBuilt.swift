import RPCWire

extension RPCError {
  /// A method that the schema has and this server has not yet.
  static let notBuilt = RPCError(
    .unimplemented, "this server does not do that yet",
    reason: "")
}

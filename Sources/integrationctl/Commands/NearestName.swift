import CommandLineOptions

extension Invocation {
  /// Makes a call about one named thing; where the server knows none of that name, the nearest of
  /// those that there are is suggested.
  func nearest<Reply>(
    to name: String, noun: String, reason: String, list: String,
    _ call: () async throws(Failure) -> Reply, names: () async throws(Failure) -> [String]
  ) async throws(Failure) -> Reply {
    do {
      return try await call()
    } catch {
      guard error.reason == reason, let all = try? await names() else { throw error }
      let near = Suggestions.nearest(to: name, among: all).map { "; did you mean \($0)?" } ?? ""
      throw Failure(
        error.code, "there is no \(noun) \(name)\(near)", reason: reason, next: "See: \(list)")
    }
  }
}

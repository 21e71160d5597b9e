import IntegrationAPI
import IntegrationStore

/// Keeps pages within a frame: a page of large logs is shorter than asked for, and says where the
/// next one begins.
enum PageBudget {
  /// How many bytes of text a page holds; half of a frame leaves room for what is around it.
  static let maximumBytes = 2 << 20
  /// How many record errors are shown at once: each has up to 8.25 KiB of text.
  static let maximumErrors = 200

  /// How many of the items fit, at least one.
  static func fitting<Item>(
    _ items: [Item], within limit: Int = maximumBytes, _ bytes: (Item) -> Int
  ) -> Int {
    var used = 0
    for (index, item) in items.enumerated() {
      used += bytes(item)
      if used > limit { return max(1, index) }
    }
    return items.count
  }
}

extension StoredLog {
  /// About how many bytes the log takes in a reply.
  var textBytes: Int {
    let labelBytes = labels.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 8 }
    return 400 + message.utf8.count + result.utf8.count + entity.id.utf8.count
      + entity.displayName.utf8.count + entity.url.utf8.count + labelBytes
  }

  /// The place behind which a list goes on.
  var position: LogPosition { LogPosition(logID: id, integration: integration) }
}

extension Agent {
  /// About how many bytes the agent takes in a reply.
  var textBytes: Int {
    let texts = [
      integration, agentID, instanceID, healthReason, agentVersion, host, platform, targetSystem,
      targetVersion, stateMessage,
    ]
    return texts.reduce(200) { $0 + $1.utf8.count }
  }
}

extension Action {
  /// About how many bytes the action takes in a reply.
  var textBytes: Int {
    [definition, declared].compactMap(\.self).reduce(400 + pauseReason.utf8.count) { bytes, shown in
      bytes + 200 + shown.name.utf8.count + shown.description.utf8.count
        + shown.inputSchema.utf8.count
    }
  }
}

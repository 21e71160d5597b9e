import IntegrationModel
import IntegrationStore
import JSONText
import SQLiteDatabase

/// One kind of line: how it leaves the store, and how it comes back.
///
/// Adding one is one more value in `ExportKinds.all`, behind the kinds that it refers to.
protocol ExportKind: Sendable {
  /// What `kind` says in its lines.
  var kind: String { get }
  /// The lines behind a key, and the key of the last; no line: there are no more for now.
  func lines(after key: String?, limit: Int, _ reader: ExportReader) throws -> ([String], String?)
  /// Stores what a line says.
  func take(_ members: [String: JSONValue], _ writer: ImportWriter) throws
}

/// A table whose rows are lines.
struct ExportTable: ExportKind {
  let kind: String
  let table: String
  /// The column by which lines are in order: unique, and never lower in a later row where other
  /// lines refer to this kind.
  let key: String
  let columns: [ExportColumn]
  /// Which rows leave: what is left of deleted integrations does not.
  var condition = "1"
  /// Columns that do not leave the store, and what an import puts there, in SQL.
  var defaults: [String: String] = [:]
  /// What an import does with a stored row.
  var stored: @Sendable ([String: JSONValue], Int64, ImportWriter) throws -> Void = { _, _, _ in }

  func lines(
    after key: String?, limit: Int, _ reader: ExportReader
  ) throws -> ([String], String?) {
    let names = columns.map(\.column).joined(separator: ", ")
    let rows = try reader.database.statement(
      """
      SELECT \(names), \(self.key) FROM \(table)
      WHERE (?1 IS NULL OR \(self.key) > ?1) AND \(condition)
      ORDER BY \(self.key) LIMIT ?2
      """)
    defer { rows.reset() }
    if let key, let number = Int64(key) {
      rows.bind(1, number)
    } else if let key {
      rows.bind(1, String(key.dropFirst()))
    } else {
      rows.bindNull(1)
    }
    rows.bind(2, Int64(limit))
    var lines: [String] = []
    var last: String?
    while try rows.step() {
      let members = try reader.members(rows, columns)
      lines.append(JSONTree.object([("kind", .text(kind))] + members).compactText)
      let value = rows.values[columns.count]
      last = value.integer.map { "\($0)" } ?? value.text.map { "=\($0)" }
    }
    return (lines, last)
  }

  func take(_ members: [String: JSONValue], _ writer: ImportWriter) throws {
    let known = Set(columns.map(\.member))
    if let unknown = members.keys.sorted().first(where: { !known.contains($0) }) {
      throw ImportFault("a line of kind \"\(kind)\" has no member \"\(unknown)\"")
    }
    let number = try writer.insert(members, into: table, columns, defaults: defaults)
    try stored(members, number, writer)
  }
}

/// All kinds in the order in which they are exported.
enum ExportKinds {
  static let all: [any ExportKind] = [
    integrations, keys, actions, overrides, pauses, agents, schedules, retention, tokens, audit,
  ]

  /// A row is of an integration that is there; the sign keeps rows in the order of their keys.
  static let ofIntegrations = "+integration IN (SELECT id FROM integrations)"
  /// A row is of an action of an integration that is there.
  private static let ofActions =
    "action IN (SELECT id FROM actions WHERE \(ofIntegrations))"

  static let integrations = ExportTable(
    kind: "integration", table: "integrations", key: "id",
    columns: [
      ExportColumn("name", .text), ExportColumn("display_name", .text),
      ExportColumn("category", .text), ExportColumn("author", .text),
      ExportColumn("support_contact", .text), ExportColumn("description", .text),
      ExportColumn("paused", .flag), ExportColumn("pause_reason", .text),
      ExportColumn("created", .time, as: "createdAt"),
    ]
  ) { members, number, writer in
    let name = try text(members, "name")
    if let complaint = FieldRules.complaint(name: name) { throw ImportFault("name: \(complaint)") }
    writer.integrations[name] = number
  }

  /// Without the sealed secrets: they are of no use without this server's sealing key.
  static let keys = ExportTable(
    kind: "key", table: "keys", key: "id",
    columns: [
      ExportColumn("id", .text), ExportColumn("integration", .integration),
      ExportColumn("secret_hash", .bytes), ExportColumn("created", .time, as: "createdAt"),
      ExportColumn("created_by", .text), ExportColumn("expires", .time, as: "expiresAt"),
      ExportColumn("revoked", .time, as: "revokedAt"),
      ExportColumn("last_used", .time, as: "lastUsedAt"), ExportColumn("last_used_from", .text),
    ], defaults: ["sealed_secret": "x''"])

  static let actions = ExportTable(
    kind: "action", table: "actions", key: "id",
    columns: [
      ExportColumn("integration", .integration), ExportColumn("type", .text),
      ExportColumn("name", .text), ExportColumn("description", .text),
      ExportColumn("entity_type", .text), ExportColumn("can_be_requested", .flag),
      ExportColumn("notify_on_failure", .flag), ExportColumn("input_schema", .text),
      ExportColumn("supports_cancel", .flag), ExportColumn("queue_timeout_ms", .number),
      ExportColumn("progress_timeout_ms", .number), ExportColumn("maximum_in_flight", .number),
      ExportColumn("one_open_per_entity", .flag), ExportColumn("maximum_attempts", .number),
      ExportColumn("initial_backoff_ms", .number), ExportColumn("maximum_backoff_ms", .number),
      ExportColumn("multiplier", .real), ExportColumn("revision", .number),
      ExportColumn("retired", .flag),
    ], condition: ofIntegrations
  ) { members, number, writer in
    let type = try text(members, "type")
    if let complaint = FieldRules.complaint(name: type) { throw ImportFault("type: \(complaint)") }
    writer.remember(action: type, of: try writer.integration(members), number)
  }

  static let overrides = ExportTable(
    kind: "actionOverride", table: "action_overrides", key: "action",
    columns: [
      ExportColumn("action", .actionPath), ExportColumn("maximum_attempts", .number),
      ExportColumn("initial_backoff_ms", .number), ExportColumn("maximum_backoff_ms", .number),
      ExportColumn("multiplier", .real), ExportColumn("queue_timeout_ms", .number),
      ExportColumn("progress_timeout_ms", .number), ExportColumn("maximum_in_flight", .number),
      ExportColumn("one_open_per_entity", .number), ExportColumn("rate_limit", .number),
      ExportColumn("rate_period_ms", .number), ExportColumn("can_be_requested", .number),
    ], condition: ofActions)

  static let pauses = ExportTable(
    kind: "actionPause", table: "action_pauses", key: "action",
    columns: [ExportColumn("action", .actionPath), ExportColumn("reason", .text)],
    condition: ofActions)

  static let schedules = ExportTable(
    kind: "schedule", table: "schedules", key: "id",
    columns: [
      ExportColumn("name", .text), ExportColumn("integration", .integration),
      ExportColumn("action_type", .text), ExportColumn("entity_type", .text),
      ExportColumn("entity_id", .text), ExportColumn("entity_name", .text),
      ExportColumn("entity_url", .text), ExportColumn("input", .text),
      ExportColumn("cron", .text), ExportColumn("time_zone", .text),
      ExportColumn("interval_ms", .wide), ExportColumn("overlap", .number),
      ExportColumn("catch_up", .number), ExportColumn("catch_up_window_ms", .wide),
      ExportColumn("jitter_ms", .wide), ExportColumn("expires_ms", .wide),
      ExportColumn("paused", .flag), ExportColumn("pause_reason", .text),
      ExportColumn("next_at", .time), ExportColumn("fire_at", .time),
      ExportColumn("last_at", .time), ExportColumn("last_log", .logID),
      ExportColumn("runs", .wide), ExportColumn("skipped", .wide),
      ExportColumn("last_error", .text), ExportColumn("failures", .wide),
      ExportColumn("created", .time, as: "createdAt"), ExportColumn("created_by", .text),
      ExportColumn("revision", .number),
    ]
  ) { members, number, writer in
    writer.schedules[try text(members, "name")] = number
  }

  static let agents = ExportTable(
    kind: "agent", table: "agents", key: "id",
    columns: [
      ExportColumn("integration", .integration), ExportColumn("agent_id", .text),
      ExportColumn("instance_id", .text), ExportColumn("version", .text),
      ExportColumn("host", .text), ExportColumn("platform", .text),
      ExportColumn("target_system", .text), ExportColumn("target_version", .text),
      ExportColumn("condition", .condition, as: "state"),
      ExportColumn("condition_message", .text, as: "stateMessage"),
      ExportColumn("heartbeat_interval_ms", .number), ExportColumn("clock_skew_ms", .wide),
      ExportColumn("first_seen", .time, as: "firstSeenAt"),
      ExportColumn("last_frame", .time, as: "lastFrameAt"),
      ExportColumn("last_poll", .time, as: "lastPollAt"),
      ExportColumn("last_progress", .time, as: "lastProgressAt"),
      ExportColumn("last_heartbeat", .time, as: "lastHeartbeatAt"),
      ExportColumn("drain_reason", .text),
    ], condition: ofIntegrations
  ) { members, number, writer in
    let id = try text(members, "agentId")
    if let complaint = FieldRules.complaint(name: id) { throw ImportFault("agentId: \(complaint)") }
    writer.remember(agent: id, of: try writer.integration(members), number)
  }

  static let retention = ExportTable(
    kind: "retention", table: "retention", key: "status",
    columns: [
      ExportColumn("status", .status), ExportColumn("maximum_age_ms", .wide),
      ExportColumn("maximum_bytes", .wide),
    ])

  static let tokens = ExportTable(
    kind: "token", table: "tokens", key: "id",
    columns: [
      ExportColumn("id", .text), ExportColumn("name", .text), ExportColumn("role", .role),
      ExportColumn("secret_hash", .bytes), ExportColumn("created", .time, as: "createdAt"),
      ExportColumn("created_by", .text), ExportColumn("expires", .time, as: "expiresAt"),
      ExportColumn("revoked", .time, as: "revokedAt"),
      ExportColumn("last_used", .time, as: "lastUsedAt"), ExportColumn("last_used_from", .text),
    ])

  /// Entries follow those that the new server has made itself until then.
  static let audit = ExportTable(
    kind: "audit", table: "audit", key: "number",
    columns: [
      ExportColumn("at", .time), ExportColumn("principal", .text), ExportColumn("address", .text),
      ExportColumn("action", .text), ExportColumn("target", .text),
      ExportColumn("before", .text), ExportColumn("after", .text), ExportColumn("reason", .text),
    ], defaults: ["number": "(SELECT coalesce(max(number), 0) + 1 FROM audit)"])

  static func text(
    _ members: [String: JSONValue], _ name: String
  ) throws(ImportFault) -> String {
    guard case .string(let text)? = members[name] else {
      throw ImportFault("expected \"\(name)\" to be a text")
    }
    return text
  }
}

import IntegrationAPI
import ProtobufRuntime

/// Messages that the tests of this target share.
enum Samples {
  /// A report that uses every field.
  static let report: ReportLogRequest = {
    var log = LogReport()
    log.logID = "0192f0c1-7a3b-7def-8123-456789abcdef"
    log.sequence = 300
    log.actionType = "export_order"
    log.entity = entity
    log.status = .failed
    log.statusMessage = "Größe fehlt – bitte ergänzen"
    log.trigger = .schedule
    log.leaseToken = "token"
    log.recordsDone = 17
    log.recordsTotal = .max
    log.errors = [error("4711"), error("4712")]
    log.labels = ["region": "north"]
    log.result = #"{"number":"A-1"}"#
    log.retryable = true
    log.retryAfterMs = 1500
    log.occurredAt = Timestamp(seconds: 1_764_000_000, nanos: 250_000_000)
    var request = ReportLogRequest()
    request.agentID = "agent-1"
    request.report = log
    return request
  }()

  /// The record that the report is about.
  static let entity: Entity = {
    var entity = Entity()
    entity.type = "order"
    entity.id = "1042"
    entity.displayName = "Order 1042"
    entity.url = "https://crm.example/1042"
    return entity
  }()

  static func error(_ reference: String) -> RecordError {
    var error = RecordError()
    error.referenceID = reference
    error.message = "no such customer"
    error.cause = "404"
    error.retryable = true
    return error
  }

  /// A heartbeat with two leases.
  static let heartbeat: HeartbeatRequest = {
    var request = HeartbeatRequest()
    request.agentID = "agent-1"
    request.instanceID = "i-1"
    request.intervalMs = 10_000
    request.state = .degraded
    request.stateMessage = "CRM not reached"
    request.leases = ["a", "b"].map { id in
      var lease = HeldLease()
      lease.logID = id
      lease.leaseToken = "t-" + id
      return lease
    }
    return request
  }()

  /// What `report` is as text for protoc, where it reads it.
  static let reportAsText = """
    agent_id: "agent-1"
    report {
      log_id: "0192f0c1-7a3b-7def-8123-456789abcdef"
      sequence: 300
      action_type: "export_order"
      entity {
        type: "order"
        id: "1042"
        display_name: "Order 1042"
        url: "https://crm.example/1042"
      }
      status: LOG_STATUS_FAILED
      status_message: "Größe fehlt – bitte ergänzen"
      trigger: TRIGGER_SCHEDULE
      lease_token: "token"
      records_done: 17
      records_total: 18446744073709551615
      errors { reference_id: "4711" message: "no such customer" cause: "404" retryable: true }
      errors { reference_id: "4712" message: "no such customer" cause: "404" retryable: true }
      labels { key: "region" value: "north" }
      result: "{\\"number\\":\\"A-1\\"}"
      retryable: true
      retry_after_ms: 1500
      occurred_at { seconds: 1764000000 nanos: 250000000 }
    }
    """
}

/// Bytes of a message, written by hand.
enum Wire {
  static func varint(_ value: UInt64) -> [UInt8] {
    var value = value
    var bytes: [UInt8] = []
    while value >= 0x80 {
      bytes.append(UInt8(value & 0x7f) | 0x80)
      value >>= 7
    }
    return bytes + [UInt8(value)]
  }

  static func field(_ number: UInt64, _ value: UInt64) -> [UInt8] {
    varint(number << 3) + varint(value)
  }

  static func field(_ number: UInt64, _ bytes: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(UInt64(bytes.count)) + bytes
  }

  static func field(_ number: UInt64, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }
}

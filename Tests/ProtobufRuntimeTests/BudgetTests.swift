import IntegrationAPI
import ProtobufRuntime
import Testing

/// Payloads of 2 MiB that protobuf-c would blow up without a budget.
struct Flood: CustomTestStringConvertible, Sendable {
  var name: String
  var unit: [UInt8]

  var testDescription: String { name }

  var bytes: [UInt8] {
    var bytes = unit
    while bytes.count < 2 * 1024 * 1024 { bytes += bytes }
    return bytes
  }

  /// One number again and again takes no more memory than once.
  static let ofOneNumber = Flood(name: "one number again and again", unit: Wire.field(3, 1))
  static let ofMemory = [
    Flood(name: "empty submessages", unit: Wire.field(11, [])),
    Flood(name: "unknown fields", unit: [0xa0, 0x06, 0]),
    Flood(name: "one number behind an unknown field", unit: [0xa0, 0x06, 0] + Wire.field(3, 1)),
    Flood(name: "submessages that merge", unit: Wire.field(12, Wire.field(1, 1))),
    Flood(name: "one text again and again", unit: Wire.field(1, "a")),
  ]
  static let all = ofMemory + [ofOneNumber]
}

@Suite struct BudgetTests {
  @Test("2 MiB of tiny fields are refused for their number", arguments: Flood.all)
  func tooMany(_ flood: Flood) {
    let error = #expect(throws: DecodingError.self) {
      try HeartbeatRequest(serializedBytes: flood.bytes)
    }
    #expect(error?.kind == .tooManyFields)
    #expect(error?.description.contains("262144") == true)
  }

  @Test("Without a limit on their number the memory budget refuses them", arguments: Flood.ofMemory)
  func tooMuch(_ flood: Flood) {
    let budget = 8 * 1024 * 1024
    let limits = DecodingLimits(maximumFields: .max, maximumMemoryBytes: budget)
    let arena = Arena()
    let error = flood.bytes.withUnsafeBytes { bytes in
      #expect(throws: DecodingError.self) {
        _ = try HeartbeatRequestView(decoding: bytes, in: arena, limits: limits)
      }
    }
    #expect(error?.kind == .memoryBudgetExceeded)
    #expect(error?.description.contains("\(budget)") == true)
    #expect(arena.allocatedBytes <= budget)
  }

  @Test("One number again and again is the last one, and takes no memory for the others")
  func oneNumber() throws {
    let arena = Arena()
    let view = try Flood.ofOneNumber.bytes.withUnsafeBytes { bytes in
      try HeartbeatRequestView(
        decoding: bytes, in: arena, limits: DecodingLimits(maximumFields: .max))
    }
    #expect(view.intervalMs == 1)
    #expect(arena.allocatedBytes < 1024)
  }

  @Test("A list that grows with each merge cannot take more than the budget")
  func quadratic() {
    // Each copy of the report adds an error to the list, which protobuf-c copies each time.
    let unit = Wire.field(2, Wire.field(11, []))
    let bytes = Array(repeatElement(unit, count: 60_000).joined())
    let error = #expect(throws: DecodingError.self) {
      try ReportLogRequest(serializedBytes: bytes)
    }
    #expect(error?.kind == .memoryBudgetExceeded)
  }

  @Test("A full frame of record errors is taken")
  func largeReport() throws {
    var request = ReportLogRequest()
    request.report = LogReport()
    request.report?.errors = Array(repeating: Samples.error("4711"), count: 50_000)
    #expect(try ReportLogRequest(serializedBytes: request.serializedBytes()) == request)
  }

  @Test("The budget counts from the start of each decoding, not from the arena's")
  func sharedArena() throws {
    let bytes = Samples.report.serializedBytes()
    let limits = DecodingLimits(maximumMemoryBytes: 4096)
    let arena = Arena()
    for _ in 0..<100 {
      let view = try bytes.withUnsafeBytes {
        try ReportLogRequestView(decoding: $0, in: arena, limits: limits)
      }
      #expect(view.report?.sequence == 300)
    }
    #expect(arena.allocatedBytes > 4096)
    arena.reset()
    #expect(arena.allocatedBytes == 0)
  }
}

import Testing

@testable import StubGenerator

@Suite struct NamingTests {
  @Test(
    "Fields are named in Swift as SwiftProtobuf names them",
    arguments: [
      ("agent_id", "agentID"), ("lease_ms", "leaseMs"), ("id", "id"), ("url", "url"),
      ("entity_ids", "entityIds"), ("display_name", "displayName"), ("a_url_b", "aURLB"),
    ])
  func member(schema: String, swift: String) {
    #expect(Naming.member(schema) == swift)
  }

  @Test(
    "Enum values lose their enum's prefix where that leaves a name",
    arguments: [
      ("LOG_STATUS_IN_PROGRESS", "LogStatus", "IN_PROGRESS"), ("OTHER", "Colour", "OTHER"),
      ("SIZE_2XL", "Size", "SIZE_2XL"), ("SIZE_", "Size", "SIZE_"),
    ])
  func jsonName(value: String, type: String, name: String) {
    #expect(Naming.jsonName(ofValue: value, in: type) == name)
  }

  @Test(
    "C names are protoc-c's",
    arguments: [
      ("rpc.v1.ClientHello", "Rpc__V1__ClientHello", "rpc__v1__client_hello"),
      ("a.b_c.HTTPThing", "A__BC__HTTPThing", "a__b_c__httpthing"),
      ("a.Log.LabelsEntry", "A__Log__LabelsEntry", "a__log__labels_entry"),
    ])
  func cNames(full: String, type: String, function: String) {
    #expect(Naming.cType(full) == type)
    #expect(Naming.cFunctionPrefix(full) == function)
  }
}

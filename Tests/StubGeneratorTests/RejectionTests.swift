import StubGenerator
import TestSupport
import Testing

/// A schema that the generator must refuse, and what it must say.
struct Rejection: CustomTestStringConvertible, Sendable {
  var name: String
  var line: Int
  var says: String
  var body: String

  var testDescription: String { name }

  /// The body begins at line 4.
  var text: String {
    """
    syntax = "proto3"; package a.v1;
    import "rpc/v1/options.proto"; import "google/protobuf/timestamp.proto";
    message Empty {}
    \(body)
    """
  }

  static let all: [Rejection] = messages + services + names

  static let messages = [
    Rejection(
      name: "a message in itself", line: 4, says: "message Tree contains itself (children)",
      body: "message Tree { repeated Tree children = 1; }"),
    Rejection(
      name: "messages in each other", line: 5, says: "message B contains itself (a.b)",
      body: "message A { B b = 1; }\nmessage B { A a = 1; }"),
    Rejection(
      name: "recursion through a map", line: 4, says: "contains itself (all.value)",
      body: "message M { map<string, M> all = 1; }"),
    Rejection(
      name: "optional", line: 5, says: "field M.x: optional is not carried",
      body: "message M {\n optional string x = 1; }"),
    Rejection(
      name: "bytes", line: 4, says: "field M.x: bytes are not carried",
      body: "message M { bytes x = 1; }"),
    Rejection(
      name: "a map of messages", line: 4, says: "must not be a message",
      body: "message M { map<string, Empty> x = 1; }"),
    Rejection(
      name: "a map with numbers for keys", line: 4, says: "key must be string",
      body: "message M { map<int32, string> x = 1; }"),
    Rejection(
      name: "a list of timestamps", line: 4, says: "repeated google.protobuf.Timestamp",
      body: "message M { repeated google.protobuf.Timestamp x = 1; }"),
    Rejection(
      name: "a type of another package", line: 5, says: "is of another package than a.v1",
      body: "import \"google/protobuf/descriptor.proto\"; message M {\n"
        + " google.protobuf.FileOptions x = 1; }"),
  ]

  static let services = [
    Rejection(
      name: "no method id", line: 5, says: "method S.Do1: it has no number",
      body: "service S {\n rpc Do1(Empty) returns (Empty); }"),
    Rejection(
      name: "method id 0", line: 4, says: "method_id 0 must be from 1 to 65535",
      body: "service S { rpc A(Empty) returns (Empty) { option (rpc.v1.method_id) = 0; } }"),
    Rejection(
      name: "a method id that is too large", line: 4, says: "method_id 65536 must be from 1",
      body: "service S { rpc A(Empty) returns (Empty) { option (rpc.v1.method_id) = 65536; } }"),
    Rejection(
      name: "one method id in two services", line: 5, says: "method_id 3 belongs to S.A",
      body: "service S { rpc A(Empty) returns (Empty) { option (rpc.v1.method_id) = 3; } }\n"
        + "service T { rpc B(Empty) returns (Empty) { option (rpc.v1.method_id) = 3; } }"),
    Rejection(
      name: "a method named by a C keyword", line: 4, says: "delete is a word of C and C++",
      body: "service S { rpc Delete(Empty) returns (Empty) { option (rpc.v1.method_id) = 3; } }"),
    Rejection(
      name: "a stream from the client", line: 4, says: "the client cannot send a stream",
      body: "service S { rpc A(stream Empty) returns (Empty) { option (rpc.v1.method_id) = 3; } }"),
    Rejection(
      name: "a response of another package", line: 4, says: "must be a message of package a.v1",
      body: "service S { rpc A(Empty) returns (google.protobuf.Timestamp) "
        + "{ option (rpc.v1.method_id) = 3; } }"),
  ]

  static let names = [
    Rejection(
      name: "a field called as a member of every message", line: 4, says: "the name is taken",
      body: "message M { string unknown_fields = 1; }"),
    Rejection(
      name: "a message called as another's view", line: 5, says: "name MView belongs to a.v1.M",
      body: "message M {}\nmessage MView {}"),
    Rejection(
      name: "an enum value that is called as the case for unknown numbers", line: 5,
      says: "its name in Swift, unrecognized, is taken",
      body: "enum E { E_NONE = 0;\n E_UNRECOGNIZED = 1; }"),
    Rejection(
      name: "an enum number with two names", line: 5, says: "number 1 is used twice",
      body: "enum E { option allow_alias = true; E_NONE = 0; E_ONE = 1;\n E_UNO = 1; }"),
  ]
}

@Suite(.enabled(if: Protoc.isInstalled, "skipped: protoc is not installed"))
struct RejectionTests {
  @Test("What the runtime cannot carry is refused with file and line", arguments: Rejection.all)
  func rejected(_ rejection: Rejection) async throws {
    let schema = try await Protoc.schema(rejection.text)
    let faults = #expect(throws: SchemaFaults.self) { try StubGenerator.generate(schema) }
    let text = faults?.description ?? ""
    #expect(text.contains("test.proto:\(rejection.line):"), "\(text)")
    #expect(text.contains(rejection.says), "\(text)")
  }

  @Test("A proto2 file is refused")
  func proto2() async throws {
    let schema = try await Protoc.schema("package a.v1; message M { optional string x = 1; }")
    let faults = #expect(throws: SchemaFaults.self) { try StubGenerator.generate(schema) }
    #expect(faults?.description.contains("write syntax = \"proto3\"") == true)
  }

  @Test("Every fault of a schema is reported at once")
  func all() async throws {
    let schema = try await Protoc.schema(
      """
      syntax = "proto3"; package a.v1;
      message A { bytes x = 1; }
      message B { B b = 1; }
      """)
    let faults = #expect(throws: SchemaFaults.self) { try StubGenerator.generate(schema) }
    #expect(faults?.faults.map(\.line) == [2, 3])
  }

  @Test("protoc prints the plugin's faults and fails")
  func plugin() async throws {
    let directory = try ScratchDirectory()
    _ = try directory.write(Rejection.all[3].text, to: "bad.proto")
    let output = try await Program.run(
      Protoc.path ?? "protoc",
      [
        "-I\(directory.path)", "-I\(SourceTree.root)/Protos", "-I/usr/include",
        "--plugin=\(Program.built("protoc-gen-integration-swift"))",
        "--integration-swift_out=\(directory.path)", "bad.proto",
      ])
    #expect(output.end == .code(1))
    #expect(output.standardError.contains("bad.proto:5:2: field M.x: optional is not carried"))
  }

  @Test("Bytes that are no request end the plugin with a sentence and code 1")
  func garbage() async throws {
    let directory = try ScratchDirectory()
    let input = try directory.write("garbage", to: "in")
    let output = try await Program.run(
      "/bin/sh",
      ["-c", "exec \"$1\" < \"$2\"", "sh", Program.built("protoc-gen-integration-swift"), input])
    #expect(output.end == .code(1))
    #expect(output.standardError.hasPrefix("protoc-gen-integration-swift: "))
  }
}

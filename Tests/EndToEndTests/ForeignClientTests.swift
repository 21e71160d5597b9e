import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// A client in another language, written from PROTOCOL.md alone.
  @Suite struct ForeignClientTests {
    enum Transport: String, CaseIterable {
      case unix
      case tcp
    }

    @Test("A Python agent with stock protobuf makes the four calls", arguments: Transport.allCases)
    func python(transport: Transport) async throws {
      let stage = try await Stage()
      let key = try await stage.createIntegration()
      let modules = try await compileSchema(into: stage.scratch)
      // Debian's own Python, for which its package of protobuf is.
      let agent = try Program(
        "/usr/bin/python3",
        [
          SourceTree.root + "/Tests/EndToEndTests/Fixtures/agent.py",
          transport == .unix ? stage.unix : stage.tcp, key,
        ],
        environment: ["PYTHONPATH": modules, "PYTHONDONTWRITEBYTECODE": "1"])
      try await agent.waitForOutput(containing: "reported")
      let created = try await stage.ctl(
        "requests", "create", "customsoft", "export_invoice", "--entity", "I-7", "--wait",
        as: LogDetailJSON.self)
      #expect(try await agent.waitForEnd() == .code(0), "\(agent.standardError)")
      #expect(created.log.status == "COMPLETED")
      #expect(created.log.result.contains("R-1"))
      let output = agent.standardOutput
      #expect(output.contains("connected as integration:customsoft"))
      #expect(output.contains("reported, duplicate: False True"))
      #expect(output.contains("served \(created.log.id)"))
    }

    private func compileSchema(into scratch: ScratchDirectory) async throws -> String {
      let modules = scratch.file("python")
      try FileManager.default.createDirectory(atPath: modules, withIntermediateDirectories: true)
      let protoc = try #require(Program.onPath("protoc"))
      let output = try await Program.run(
        protoc,
        [
          "-I", SourceTree.root + "/Protos", "--python_out", modules, "rpc/v1/envelope.proto",
          "rpc/v1/options.proto", "integrationmanager/v1/types.proto",
          "integrationmanager/v1/agent.proto",
        ])
      #expect(output.end == .code(0), "\(output.standardError)")
      return modules
    }
  }
}

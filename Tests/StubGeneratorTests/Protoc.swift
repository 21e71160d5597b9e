import Foundation
import ProtobufRuntime
import StubGenerator
import TestSupport

@testable import protoc_gen_integration_swift

/// Reads schemas with the installed protoc, as the plugin gets them.
enum Protoc {
  static let path = Program.onPath("protoc")
  static let isInstalled = path != nil

  struct Failure: Error {
    var output: String
  }

  /// The schema of a text that stands in a file `name`.
  static func schema(_ text: String, name: String = "test.proto") async throws -> Schema {
    let directory = try ScratchDirectory()
    _ = try directory.write(text, to: name)
    return try await schema(folder: directory.path, name: name)
  }

  /// The schema of the file `name` in a folder.
  static func schema(folder: String, name: String) async throws -> Schema {
    let directory = try ScratchDirectory()
    let set = directory.file("set.bin")
    let output = try await Program.run(
      path ?? "protoc",
      [
        "-I\(folder)", "-I\(SourceTree.root)/Protos", "-I/usr/include", "--include_imports",
        "--include_source_info", "--descriptor_set_out=\(set)", name,
      ])
    guard output.end == .code(0) else { throw Failure(output: output.standardError) }
    let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: set)))
    return try SchemaReader.readSet(bytes, filesToGenerate: [name], in: Arena())
  }
}

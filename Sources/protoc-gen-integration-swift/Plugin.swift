import CommandLineOptions
import Glibc
import IntegrationProtos
import ProtobufRuntime
import StubGenerator

/// A protoc plugin: reads a CodeGeneratorRequest from standard input and writes a
/// CodeGeneratorResponse to standard output.
///
/// Faults of the schema go into the response, which makes protoc print them and fail; anything
/// else that goes wrong ends the plugin with a sentence on standard error and code 1.
@main
enum Plugin {
  static func main() {
    _ = program.parseOrExit()
    do {
      let input = try readStandardInput()
      try writeStandardOutput(respond(to: input))
    } catch {
      let text = Array("protoc-gen-integration-swift: \(error)\n".utf8)
      _ = unsafe text.withUnsafeBytes { unsafe Glibc.write(2, $0.baseAddress, $0.count) }
      exit(1)
    }
  }

  private static let program = CommandLineProgram(
    Command(
      "protoc-gen-integration-swift", "writes Swift messages, stubs and handlers for protoc"
    ).withDiscussion(
      "protoc starts it: it reads a CodeGeneratorRequest from standard input and writes a"
        + " CodeGeneratorResponse to standard output.\nExit codes: 0 answered, 1 the request cannot"
        + " be read, 2 wrong usage."
    ).withExamples([
      CommandExample(
        "protoc --plugin=.build/release/protoc-gen-integration-swift --integration-swift_out=OUT"
          + " -I Protos integrationmanager/v1/agent.proto",
        "generate for one file")
    ]), version: StubGenerator.version)

  /// The response's bytes for a request's.
  static func respond(to input: [UInt8]) throws -> [UInt8] {
    let arena = Arena()
    defer { withExtendedLifetime(arena) {} }
    let schema = try SchemaReader.readRequest(input, in: arena)
    let reply = ResponseWriter(in: arena)
    do throws(SchemaFaults) {
      reply.write(try StubGenerator.generate(schema))
    } catch {
      reply.write(error)
    }
    return reply.serializedBytes()
  }

  private static func readStandardInput() throws -> [UInt8] {
    var input: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(0, $0.baseAddress, $0.count) }
      if count == 0 { return input }
      guard count > 0 else {
        if errno == EINTR { continue }
        throw PluginError(description: "cannot read standard input, errno \(errno)")
      }
      input += chunk[..<count]
    }
  }

  private static func writeStandardOutput(_ bytes: [UInt8]) throws {
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe write(1, $0.baseAddress! + written, $0.count - written)
      }
      guard count > 0 else {
        if errno == EINTR { continue }
        throw PluginError(description: "cannot write standard output, errno \(errno)")
      }
      written += count
    }
  }
}

/// Why the plugin cannot answer.
struct PluginError: Error, CustomStringConvertible {
  let description: String
}

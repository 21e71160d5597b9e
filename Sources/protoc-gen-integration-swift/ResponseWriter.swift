import IntegrationProtos
import ProtobufRuntime
import StubGenerator

/// Writes a CodeGeneratorResponse.
@safe
struct ResponseWriter {
  private typealias Response = Google__Protobuf__Compiler__CodeGeneratorResponse
  private typealias File = Google__Protobuf__Compiler__CodeGeneratorResponse__File

  private let reference: MessageReference
  private var response: UnsafeMutablePointer<Response> { unsafe reference.record() }

  init(in arena: Arena) {
    let descriptor = unsafe MessageDescriptor(
      Response.self, initializer: google__protobuf__compiler__code_generator_response__init)
    reference = MessageReference(descriptor, in: arena)
    // FEATURE_PROTO3_OPTIONAL: said so that the plugin's own message, which names the line and
    // the way out, reaches the author instead of protoc's.
    unsafe response.pointee.has_supported_features = 1
    unsafe response.pointee.supported_features = 1
  }

  func write(_ files: [GeneratedFile]) {
    let descriptor = unsafe MessageDescriptor(
      File.self, initializer: google__protobuf__compiler__code_generator_response__file__init)
    let pointers = unsafe reference.allocate(UnsafeMutablePointer<File>?.self, count: files.count)
    for (index, file) in files.enumerated() {
      let made = reference.make(descriptor)
      let record: UnsafeMutablePointer<File> = unsafe made.record()
      unsafe record.pointee.name = reference.cString(file.name)
      unsafe record.pointee.content = reference.cString(file.content)
      unsafe (pointers + index).initialize(to: record)
    }
    unsafe response.pointee.file = pointers
    unsafe response.pointee.n_file = files.count
  }

  func write(_ faults: SchemaFaults) {
    let text = faults.faults.map(\.description).joined(separator: "\n")
    unsafe response.pointee.error = reference.cString(text)
  }

  func serializedBytes() -> [UInt8] {
    let count = reference.encodedByteCount
    return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      initialized = unsafe reference.encode(into: UnsafeMutableRawBufferPointer(buffer))
    }
  }
}

import IntegrationProtos
import ProtobufRuntime
import StubGenerator

/// Reads protoc's descriptors into the generator's model.
enum SchemaReader {
  static func readRequest(_ bytes: [UInt8], in arena: Arena) throws(DecodingError) -> Schema {
    let descriptor = unsafe MessageDescriptor(
      Google__Protobuf__Compiler__CodeGeneratorRequest.self,
      initializer: google__protobuf__compiler__code_generator_request__init)
    let reference = try decode(bytes, as: descriptor, in: arena)
    let request: UnsafeMutablePointer<Google__Protobuf__Compiler__CodeGeneratorRequest> =
      unsafe reference.record()
    let names = unsafe strings(request.pointee.file_to_generate, request.pointee.n_file_to_generate)
    let files = unsafe list(request.pointee.proto_file, request.pointee.n_proto_file) {
      unsafe FileReader(file: $0, arena: reference).read()
    }
    return Schema(files: files, filesToGenerate: names)
  }

  /// Reads a FileDescriptorSet, as `protoc --descriptor_set_out` writes it.
  static func readSet(
    _ bytes: [UInt8], filesToGenerate: [String], in arena: Arena
  ) throws(DecodingError) -> Schema {
    let descriptor = unsafe MessageDescriptor(
      Google__Protobuf__FileDescriptorSet.self,
      initializer: google__protobuf__file_descriptor_set__init)
    let reference = try decode(bytes, as: descriptor, in: arena)
    let set: UnsafeMutablePointer<Google__Protobuf__FileDescriptorSet> = unsafe reference.record()
    let files = unsafe list(set.pointee.file, set.pointee.n_file) {
      unsafe FileReader(file: $0, arena: reference).read()
    }
    return Schema(files: files, filesToGenerate: filesToGenerate)
  }

  /// protoc is trusted, and descriptors nest deeper than this project's messages.
  private static func decode(
    _ bytes: [UInt8], as descriptor: MessageDescriptor, in arena: Arena
  ) throws(DecodingError) -> MessageReference {
    let limits = DecodingLimits(
      maximumNesting: 100, maximumFields: 10_000_000, maximumMemoryBytes: 1 << 30)
    let result = unsafe bytes.withUnsafeBytes { bytes in
      Result { () throws(DecodingError) in
        try unsafe MessageReference(decoding: bytes, as: descriptor, in: arena, limits: limits)
      }
    }
    return try result.get()
  }

  static func list<Record, Element>(
    _ records: UnsafeMutablePointer<UnsafeMutablePointer<Record>?>?, _ count: Int,
    _ read: (UnsafeMutablePointer<Record>) -> Element
  ) -> [Element] {
    guard let records = unsafe records else { return [] }
    return unsafe UnsafeBufferPointer(start: records, count: count).compactMap { record in
      unsafe record.map { unsafe read($0) }
    }
  }

  /// Calls `body` with each record and its position.
  static func forEach<Record>(
    _ records: UnsafeMutablePointer<UnsafeMutablePointer<Record>?>?, _ count: Int,
    _ body: (UnsafeMutablePointer<Record>, Int32) -> Void
  ) {
    for index in 0..<count {
      if let record = unsafe records?[index] { unsafe body(record, Int32(index)) }
    }
  }

  static func strings(
    _ texts: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int
  ) -> [String] {
    unsafe list(texts, count) { unsafe String(cString: $0) }
  }

  static func string(_ text: UnsafeMutablePointer<CChar>?) -> String {
    unsafe text.map { unsafe String(cString: $0) } ?? ""
  }
}

/// Reads one file's descriptor.
@safe
struct FileReader {
  private typealias MessageRecord = Google__Protobuf__DescriptorProto
  private typealias EnumRecord = Google__Protobuf__EnumDescriptorProto

  // Field numbers of descriptor.proto, of which a location's path is made.
  private static let fileMessage: Int32 = 4
  private static let fileEnum: Int32 = 5
  private static let fileService: Int32 = 6
  private static let messageField: Int32 = 2
  private static let messageNested: Int32 = 3
  private static let messageEnum: Int32 = 4
  private static let messageOneof: Int32 = 8
  private static let enumValue: Int32 = 2
  private static let serviceMethod: Int32 = 2

  private let file: UnsafeMutablePointer<Google__Protobuf__FileDescriptorProto>
  private let arena: MessageReference
  private let package: String
  private let origins: [[Int32]: SchemaOrigin]

  init(file: UnsafeMutablePointer<Google__Protobuf__FileDescriptorProto>, arena: MessageReference) {
    unsafe self.file = unsafe file
    self.arena = arena
    package = unsafe SchemaReader.string(file.pointee.package)
    var origins: [[Int32]: SchemaOrigin] = [:]
    if let info = unsafe file.pointee.source_code_info {
      unsafe SchemaReader.forEach(info.pointee.location, info.pointee.n_location) {
        (location, _) in unsafe Self.add(location, to: &origins)
      }
    }
    self.origins = origins
  }

  private static func add(
    _ location: UnsafeMutablePointer<Google__Protobuf__SourceCodeInfo__Location>,
    to origins: inout [[Int32]: SchemaOrigin]
  ) {
    let path = unsafe Array(
      UnsafeBufferPointer(start: location.pointee.path, count: location.pointee.n_path))
    let span = unsafe Array(
      UnsafeBufferPointer(start: location.pointee.span, count: location.pointee.n_span))
    guard span.count >= 3 else { return }
    let comments = unsafe [
      SchemaReader.string(location.pointee.leading_comments),
      SchemaReader.string(location.pointee.trailing_comments),
    ].filter { !$0.isEmpty }
    origins[path] = SchemaOrigin(
      line: Int(span[0]) + 1, column: Int(span[1]) + 1, comments: comments)
  }

  func read() -> SchemaFile {
    var result = unsafe SchemaFile(
      name: SchemaReader.string(file.pointee.name), package: package,
      syntax: file.pointee.syntax == nil ? "proto2" : SchemaReader.string(file.pointee.syntax))
    unsafe SchemaReader.forEach(file.pointee.message_type, file.pointee.n_message_type) {
      unsafe readMessage($0, [], [Self.fileMessage, $1], into: &result)
    }
    unsafe SchemaReader.forEach(file.pointee.enum_type, file.pointee.n_enum_type) {
      unsafe result.enums.append(readEnum($0, [], [Self.fileEnum, $1]))
    }
    unsafe SchemaReader.forEach(file.pointee.service, file.pointee.n_service) {
      unsafe result.services.append(readService($0, [Self.fileService, $1]))
    }
    return result
  }

  private func origin(_ location: [Int32]) -> SchemaOrigin { origins[location] ?? SchemaOrigin() }

  private func fullName(_ path: [String]) -> String {
    ((package.isEmpty ? [] : [package]) + path).joined(separator: ".")
  }

  // MARK: Messages and enums

  private func readMessage(
    _ record: UnsafeMutablePointer<MessageRecord>, _ outer: [String], _ location: [Int32],
    into result: inout SchemaFile
  ) {
    let path = unsafe outer + [SchemaReader.string(record.pointee.name)]
    var message = SchemaMessage(
      fullName: fullName(path), path: path, fields: [], origin: origin(location))
    unsafe message.isMapEntry = record.pointee.options?.pointee.map_entry == 1
    let fields = unsafe SchemaReader.list(record.pointee.field, record.pointee.n_field) {
      unsafe readField($0)
    }
    for (index, var field) in fields.enumerated() {
      field.origin = origin(location + [Self.messageField, Int32(index)])
      message.fields.append(field)
    }
    let oneofs = unsafe SchemaReader.list(record.pointee.oneof_decl, record.pointee.n_oneof_decl) {
      unsafe SchemaReader.string($0.pointee.name)
    }
    for (index, name) in oneofs.enumerated() {
      message.oneofs.append(
        SchemaOneof(name: name, origin: origin(location + [Self.messageOneof, Int32(index)])))
    }
    result.messages.append(message)
    unsafe SchemaReader.forEach(record.pointee.nested_type, record.pointee.n_nested_type) {
      unsafe readMessage($0, path, location + [Self.messageNested, $1], into: &result)
    }
    unsafe SchemaReader.forEach(record.pointee.enum_type, record.pointee.n_enum_type) {
      unsafe result.enums.append(readEnum($0, path, location + [Self.messageEnum, $1]))
    }
  }

  private func readField(
    _ record: UnsafeMutablePointer<Google__Protobuf__FieldDescriptorProto>
  ) -> SchemaField {
    let typeName = unsafe String(SchemaReader.string(record.pointee.type_name).dropFirst())
    var field = unsafe SchemaField(
      name: SchemaReader.string(record.pointee.name),
      jsonName: SchemaReader.string(record.pointee.json_name), number: record.pointee.number,
      type: Self.type(number: record.pointee.type.rawValue, name: typeName))
    if unsafe record.pointee.has_oneof_index != 0 {
      field.oneof = unsafe Int(record.pointee.oneof_index)
    }
    // descriptor.proto: LABEL_REQUIRED is 2, LABEL_REPEATED is 3.
    let label = unsafe record.pointee.label.rawValue
    if label == 3 {
      field.label = .repeated
    } else if label == 2 {
      field.label = .required
    } else if unsafe record.pointee.proto3_optional != 0 {
      field.label = .proto3Optional
    }
    return field
  }

  /// FieldDescriptorProto.Type.
  private static func type(number: UInt32, name: String) -> SchemaType {
    switch number {
    case 1: .double
    case 2: .float
    case 3: .int64
    case 4: .uint64
    case 5: .int32
    case 6: .fixed64
    case 7: .fixed32
    case 8: .bool
    case 9: .string
    case 11: .message(name)
    case 12: .bytes
    case 13: .uint32
    case 14: .enumeration(name)
    case 15: .sfixed32
    case 16: .sfixed64
    case 17: .sint32
    case 18: .sint64
    default: .group
    }
  }

  private func readEnum(
    _ record: UnsafeMutablePointer<EnumRecord>, _ outer: [String], _ location: [Int32]
  ) -> SchemaEnum {
    let path = unsafe outer + [SchemaReader.string(record.pointee.name)]
    var result = SchemaEnum(
      fullName: fullName(path), path: path, values: [], origin: origin(location))
    let values = unsafe SchemaReader.list(record.pointee.value, record.pointee.n_value) {
      unsafe SchemaEnumValue(
        name: SchemaReader.string($0.pointee.name), number: $0.pointee.number)
    }
    for (index, var value) in values.enumerated() {
      value.origin = origin(location + [Self.enumValue, Int32(index)])
      result.values.append(value)
    }
    return result
  }

  // MARK: Services

  private func readService(
    _ record: UnsafeMutablePointer<Google__Protobuf__ServiceDescriptorProto>, _ location: [Int32]
  ) -> SchemaService {
    let methods = unsafe SchemaReader.list(record.pointee.method, record.pointee.n_method) {
      unsafe readMethod($0)
    }
    var result = unsafe SchemaService(
      name: SchemaReader.string(record.pointee.name), methods: [], origin: origin(location))
    for (index, var method) in methods.enumerated() {
      method.origin = origin(location + [Self.serviceMethod, Int32(index)])
      result.methods.append(method)
    }
    return result
  }

  private func readMethod(
    _ record: UnsafeMutablePointer<Google__Protobuf__MethodDescriptorProto>
  ) -> SchemaMethod {
    var method = unsafe SchemaMethod(
      name: SchemaReader.string(record.pointee.name),
      input: String(SchemaReader.string(record.pointee.input_type).dropFirst()),
      output: String(SchemaReader.string(record.pointee.output_type).dropFirst()))
    unsafe method.isClientStreaming = record.pointee.client_streaming != 0
    unsafe method.isServerStreaming = record.pointee.server_streaming != 0
    if let options = unsafe arena.submessage(record.pointee.options) {
      // Extensions of rpc/v1/options.proto, which protobuf-c keeps as unknown fields.
      method.id = options.unknownFields.varint(50001)
      method.defaultDeadlineMs = options.unknownFields.varint(50002)
    }
    return method
  }
}

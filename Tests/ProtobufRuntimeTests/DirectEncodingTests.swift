import CProtobufC
import IntegrationAPI
import IntegrationProtos
import TestSupport
import Testing

@testable import ProtobufRuntime

/// Messages are written by `DirectEncoding` or by protobuf-c: same sizes, same bytes.
@Suite struct DirectEncodingTests {
  typealias Descriptor = RandomRecords.Descriptor

  /// Every message type of the API, and those of descriptor.proto, whose fields are optional,
  /// required, bytes and doubles besides.
  static let descriptors: [MessageDescriptor] = {
    var roots = AllViews.descriptors
    unsafe roots.append(
      MessageDescriptor(Google__Protobuf__FileDescriptorSet.self) {
        unsafe google__protobuf__file_descriptor_set__init($0)
      })
    var known: [Descriptor] = unsafe []
    for root in roots { unsafe RandomRecords.reachable(from: root.pointer, into: &known) }
    return unsafe known.map { unsafe MessageDescriptor(pointer: $0) }
  }()

  private func packed(_ message: MessageReference) -> [UInt8] {
    let base: UnsafeMutablePointer<ProtobufCMessage> = unsafe message.record()
    let count = unsafe protobuf_c_message_get_packed_size(base)
    return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      guard let start = buffer.baseAddress else { return }
      initialized = unsafe protobuf_c_message_pack(base, start)
    }
  }

  /// What is written where there is room for `capacity` bytes; nil when it does not fit.
  private func written(_ message: MessageReference, capacity: Int) -> [UInt8]? {
    var place = [UInt8](repeating: 0xa5, count: capacity + 16)
    let count = unsafe place.withUnsafeMutableBytes { bytes in
      unsafe message.encodeIfFits(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<capacity]))
    }
    #expect(place[capacity...].allSatisfy { $0 == 0xa5 }, "written behind the end")
    return count.map { Array(place[..<$0]) }
  }

  private func expectSame(_ message: MessageReference) {
    let expected = packed(message)
    #expect(message.encodedByteCount == expected.count)
    #expect(unsafe DirectEncoding.size(message.pointer) == expected.count)
    #expect(written(message, capacity: expected.count) == expected)
    #expect(written(message, capacity: expected.count + 100) == expected)
    let cuts = expected.count < 300 ? Array(0..<expected.count) : [0, 1, expected.count - 1]
    for cut in cuts { #expect(written(message, capacity: cut) == nil) }
  }

  @Test("The list of message types is complete")
  func allTypes() throws {
    var count = 0
    let files = [
      "agent", "types", "integrations", "logs", "access", "schedules", "keeping", "operator",
    ]
    for file in files {
      let text = try SourceTree.text("Sources/IntegrationAPI/Generated/\(file).views.swift")
      count += text.components(separatedBy: "View: ProtobufView {").count - 1
    }
    #expect(AllViews.descriptors.count == count)
  }

  @Test("Empty messages, full ones and such between", arguments: [1, 2, 4, 20])
  func same(sparseness: Int) {
    for (index, descriptor) in Self.descriptors.enumerated() {
      for round in 0..<10 {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        var records = RandomRecords(seed: UInt64(index * 1000 + round), in: arena)
        unsafe expectSame(records.make(descriptor.pointer, sparseness: sparseness))
      }
      let arena = Arena()
      defer { withExtendedLifetime(arena) {} }
      expectSame(MessageReference(descriptor, in: arena))
    }
  }

  @Test("Unknown fields, outside and inside, are written by protobuf-c")
  func unknownFields() {
    for field: UnknownFields.Field in [
      .init(number: 536_870_911, wireType: 0, bytes: [1]),
      .init(number: 100, wireType: 2, bytes: [2, 0xff, 0]),
    ] {
      let arena = Arena()
      defer { withExtendedLifetime(arena) {} }
      let view = ReportLogRequestView(in: arena)
      view.assign(Samples.report)
      view.report?.reference.unknownFields.fields = [field]
      expectByProtobufC(view)
      view.reference.unknownFields.fields = [field, field]
      expectByProtobufC(view)
    }
  }

  private func expectByProtobufC(_ view: ReportLogRequestView) {
    let expected = packed(view.reference)
    #expect(written(view.reference, capacity: expected.count + 100) == nil)
    #expect(view.encodedByteCount == expected.count)
    #expect(view.serializedBytes() == expected)
  }
}

import CProtobufC
import Foundation

@testable import ProtobufRuntime

extension FuzzTarget {
  /// Every generated decoder: in one pass and by a scan and protobuf-c, written again by our own
  /// encoder and by protobuf-c, as a value and as JSON.
  ///
  /// Input: which message, then its bytes.
  static let messages = FuzzTarget("messages", maximumBytes: 4_096) { bytes in
    var input = FuzzInput(bytes)
    let choice = input.number(UInt16.self)
    let type = MessageTypes.all[Int(choice & 0x7fff) % MessageTypes.all.count]
    try check(type, input.rest, json: choice & 0x8000 != 0)
  }

  /// A field that no message has, with the value 0: it sends a message the way of protobuf-c.
  private static let unknown: [UInt8] = [0xf8, 0xff, 0xff, 0xff, 0x0f, 0]

  private static func check<Message: ProtobufMessage>(
    _: Message.Type, _ bytes: UnsafeRawBufferPointer, json: Bool
  ) throws {
    let arena = Arena(initialBytes: 256)
    defer { withExtendedLifetime(arena) {} }
    let direct = Result { () throws(DecodingError) in
      try Message.View(decoding: bytes, in: arena)
    }
    let other = Result { () throws(DecodingError) in
      try Message(serializedBytes: unknown + bytes)
    }
    switch (direct, other) {
    case (.success, .failure(let error)):
      throw Broken("only one of two ways takes it; the other says \(error)")
    case (.failure(let error), .success):
      throw Broken("only one of two ways takes it; the other says \(error)")
    case (.failure(let one), .failure(let two)):
      let isSame =
        one.kind == two.kind && one.field == two.field && one.offset + unknown.count == two.offset
      try require(isSame, "two ways refuse it otherwise: \(one), \(two)")
      try require((0...bytes.count).contains(one.offset), "an error lies outside of the bytes")
    case (.success(let view), .success(var message)):
      try require(
        message.unknownFields.fields.first?.number == 0x1fff_ffff, "an unknown field is lost")
      message.unknownFields.fields.removeFirst()
      try check(view, message)
      if json { _ = try JSONEncoder().encode(message) }
    }
  }

  private static func check<View: ProtobufView>(
    _ view: View, _ message: View.Message
  ) throws where View.Message: ProtobufMessage {
    try checkTexts(view.reference)
    try checkEncoding(view.reference)
    // Maps come in any order, so values are compared, but for numbers that equal nothing.
    let made = view.makeMessage()
    let written = made.serializedBytes()
    let again: View.Message
    do { again = try View.Message(serializedBytes: written) } catch {
      throw Broken("what is written cannot be read: \(error)")
    }
    let text = "\(made)"
    if !text.contains("nan") {
      try require(made == message, "two ways give other values")
      try require(made == again, "what is written is another value")
    }
    try require(again.serializedBytes().count == written.count, "a second writing is another")
  }

  /// Both encoders write the same, and nothing behind their end.
  private static func checkEncoding(_ reference: MessageReference) throws {
    let base: UnsafeMutablePointer<ProtobufCMessage> = reference.record()
    let count = protobuf_c_message_get_packed_size(base)
    let packed = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      guard let start = buffer.baseAddress, count > 0 else { return }
      initialized = protobuf_c_message_pack(base, start)
    }
    try require(reference.encodedByteCount == count, "the size is counted wrongly")
    for room in Set([count, count + 9, count / 2]) {
      let target = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 1)
      defer { target.deallocate() }
      guard let written = reference.encodeIfFits(into: target) else { continue }
      try require(written <= room, "more is written than there is room for")
      try require(packed.elementsEqual(target.prefix(written)), "two encoders write otherwise")
    }
  }

  /// Every text of a record is UTF-8, by the standard library's own reading.
  private static func checkTexts(_ reference: MessageReference) throws {
    let base: UnsafeMutablePointer<ProtobufCMessage> = reference.record()
    try checkTexts(UnsafeRawPointer(base))
  }

  private static func checkTexts(_ record: UnsafeRawPointer) throws {
    let base = record.assumingMemoryBound(to: ProtobufCMessage.self)
    let descriptor = base.pointee.descriptor.pointee
    for index in 0..<Int(descriptor.n_fields) {
      let field = descriptor.fields[index]
      // The numbers of protobuf-c.h: TYPE_STRING, TYPE_MESSAGE, LABEL_REPEATED.
      guard field.type.rawValue == 14 || field.type.rawValue == 16 else { continue }
      let place = record + Int(field.offset)
      var pointers: [UnsafeRawPointer?] = []
      let isOneof = field.flags & (1 << 2) != 0
      if field.label.rawValue == 2 {
        let count = record.load(fromByteOffset: Int(field.quantifier_offset), as: Int.self)
        let list = place.load(as: UnsafePointer<UnsafeRawPointer?>?.self)
        for element in 0..<count { pointers.append(list?[element]) }
      } else if isOneof {
        let set = record.load(fromByteOffset: Int(field.quantifier_offset), as: UInt32.self)
        if set == field.id { pointers.append(place.load(as: UnsafeRawPointer?.self)) }
      } else {
        pointers.append(place.load(as: UnsafeRawPointer?.self))
      }
      for case let pointer? in pointers {
        guard field.type.rawValue == 14 else {
          try checkTexts(pointer)
          continue
        }
        let text = String(validatingCString: pointer.assumingMemoryBound(to: CChar.self))
        try require(text != nil, "a text of \(String(cString: field.name)) is not UTF-8")
      }
    }
  }
}

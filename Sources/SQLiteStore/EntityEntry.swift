import IntegrationModel
import IntegrationStore

/// One entry of the entity index: a log that works on a record whose id has this hash.
struct EntityEntry: Hashable, Comparable, Sendable {
  /// `EntityEntry.hash` of the entity's id.
  var hash: UInt64
  /// The integration, whose number is small; negative: the log is gone.
  var integration: Int32
  /// The log.
  var id: LogID

  /// Its size on disk: hash, integration and id, little-endian.
  static let bytes = 28

  init(hash: UInt64, integration: Int32, id: LogID) {
    self.hash = hash
    self.integration = integration
    self.id = id
  }

  /// By hash, then integration, then time; what says that a log is gone stands behind its entry.
  static func < (left: EntityEntry, right: EntityEntry) -> Bool {
    if left.hash != right.hash { return left.hash < right.hash }
    let (one, other) = (left.integration.magnitude, right.integration.magnitude)
    if one != other { return one < other }
    if left.id != right.id { return left.id < right.id }
    return left.integration > right.integration
  }

  /// Whether it says that the log is gone.
  var isRemoval: Bool { integration < 0 }

  /// Whether one says that the other's log is gone.
  func cancels(_ other: EntityEntry) -> Bool {
    // Of a damaged database the number may have no opposite.
    hash == other.hash && integration == 0 &- other.integration && id == other.id
  }

  /// The hash of an entity's id.
  static func hash(_ entityID: UnsafeRawBufferPointer) -> UInt64 {
    unsafe Hashing.hash(entityID, seed: 0)
  }

  /// The hash of an entity's id.
  static func hash(_ entityID: String) -> UInt64 {
    var copy = entityID
    return copy.withUTF8 { unsafe hash(UnsafeRawBufferPointer($0)) }
  }

  /// Reads entry number `index` of a blob of entries.
  init(_ blob: UnsafeRawBufferPointer, at index: Int) {
    let start = index * Self.bytes
    hash = unsafe UInt64(littleEndian: blob.loadUnaligned(fromByteOffset: start, as: UInt64.self))
    integration = unsafe Int32(
      littleEndian: blob.loadUnaligned(fromByteOffset: start + 8, as: Int32.self))
    id = unsafe LogID(
      high: UInt64(littleEndian: blob.loadUnaligned(fromByteOffset: start + 12, as: UInt64.self)),
      low: UInt64(littleEndian: blob.loadUnaligned(fromByteOffset: start + 20, as: UInt64.self)))
  }

  /// How many entries a blob holds.
  static func count(_ blob: UnsafeRawBufferPointer) -> Int { blob.count / bytes }

  /// All entries of a blob.
  static func decode(_ blob: UnsafeRawBufferPointer) -> [EntityEntry] {
    unsafe (0..<count(blob)).map { unsafe EntityEntry(blob, at: $0) }
  }

  /// Writes entries as a blob into a buffer that is used again.
  static func encode(_ entries: [EntityEntry], into blob: inout [UInt8]) {
    let count = entries.count * bytes
    blob.removeAll(keepingCapacity: true)
    blob.append(contentsOf: repeatElement(0, count: count))
    unsafe blob.withUnsafeMutableBytes { target in
      for (index, entry) in entries.enumerated() {
        unsafe entry.write(to: UnsafeMutableRawBufferPointer(rebasing: target[(index * bytes)...]))
      }
    }
  }

  private func write(to target: UnsafeMutableRawBufferPointer) {
    unsafe target.storeBytes(of: hash.littleEndian, as: UInt64.self)
    unsafe target.storeBytes(of: integration.littleEndian, toByteOffset: 8, as: Int32.self)
    unsafe target.storeBytes(of: id.high.littleEndian, toByteOffset: 12, as: UInt64.self)
    unsafe target.storeBytes(of: id.low.littleEndian, toByteOffset: 20, as: UInt64.self)
  }
}

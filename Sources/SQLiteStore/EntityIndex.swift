import IntegrationModel
import IntegrationStore
import SQLiteDatabase

/// One entry of the entity index: which log works on a record with this hash.
struct EntityEntry: Hashable, Comparable {
  var hash: UInt64
  var integration: Int32
  var id: LogID

  static let bytes = 28

  static func < (left: EntityEntry, right: EntityEntry) -> Bool {
    if left.hash != right.hash { return left.hash < right.hash }
    if left.integration != right.integration { return left.integration < right.integration }
    return left.id < right.id
  }
}

/// The deferred index over entity ids; see `EntityIndex+Merge.swift` for its shape on disk.
struct EntityIndex {
  private var batch: [EntityEntry] = []

  init(_ database: SQLiteConnection, tailEntries: Int) throws {}

  mutating func add(_ entityID: UnsafeRawBufferPointer, integration: IntegrationID, id: LogID) {
    let hash = unsafe Hashing.hash(entityID, seed: 0)
    batch.append(EntityEntry(hash: hash, integration: Int32(clamping: integration), id: id))
  }

  mutating func add(_ entityID: String, integration: IntegrationID, id: LogID) {
    var copy = entityID
    copy.withUTF8 { unsafe add(UnsafeRawBufferPointer($0), integration: integration, id: id) }
  }

  mutating func flush(to database: SQLiteConnection) throws {}

  mutating func committed() { batch.removeAll(keepingCapacity: true) }
}

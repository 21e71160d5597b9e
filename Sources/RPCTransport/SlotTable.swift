/// The sources of a reactor by slot, each slot with the number of its use.
///
/// Plain memory rather than an array: it is read for each call, and an array in a class would be
/// checked for exclusive access each time. Touched only by its reactor.
@safe
final class SlotTable {
  private struct Slot {
    var source: EventSource?
    var generation: UInt64
  }

  /// Generations count to here and begin again; they have 28 bits in an identifier.
  private static let generationMask: UInt64 = (1 << 28) - 1

  private var base: UnsafeMutablePointer<Slot>
  private var capacity = 64
  private var count = 0
  private var free: [Int] = []

  init() {
    unsafe base = .allocate(capacity: capacity)
  }

  deinit {
    unsafe base.deinitialize(count: count)
    unsafe base.deallocate()
  }

  /// The source in a slot, which may be any number.
  @inline(__always)
  func source(_ slot: Int) -> EventSource? {
    slot < count ? unsafe base[slot].source : nil
  }

  func generation(_ slot: Int) -> UInt64 { unsafe base[slot].generation }

  var all: [EventSource] { (0..<count).compactMap { source($0) } }

  /// A slot that is free; it stays empty until `fill`.
  func take() -> Int {
    if let slot = free.popLast() { return slot }
    if count == capacity { grow() }
    unsafe (base + count).initialize(to: Slot(source: nil, generation: 0))
    count += 1
    return count - 1
  }

  func fill(_ slot: Int, _ source: EventSource) {
    unsafe base[slot].source = source
  }

  /// Empties a slot; what named its source names nothing from now on.
  func give(_ slot: Int) {
    let next = (generation(slot) &+ 1) & Self.generationMask
    unsafe base[slot].source = nil
    unsafe base[slot].generation = next
    free.append(slot)
  }

  private func grow() {
    let larger = UnsafeMutablePointer<Slot>.allocate(capacity: capacity * 2)
    unsafe larger.moveInitialize(from: base, count: count)
    unsafe base.deallocate()
    unsafe base = larger
    capacity *= 2
  }
}

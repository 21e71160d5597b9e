import Glibc
import RPCTransport
import Testing

@Suite(.serialized, .enabled(if: ProcessMemory.allocatedBytes > 0, "malloc is not glibc's"))
struct ProcessMemoryTests {
  @Test("Free memory between pieces that stay goes back to the system")
  func giveBack() {
    let count = 64 << 10
    var pieces = (0..<count).map { _ in unsafe malloc(1_024) }
    for piece in unsafe pieces {
      if let piece = unsafe piece { unsafe memset(piece, 1, 1_024) }
    }
    let used = ProcessMemory.allocatedBytes
    #expect(used >= UInt64(count) << 10)
    // One of each 64 KiB stays, so that no end of an arena is free.
    for index in 0..<count where index % 64 != 0 {
      unsafe free(pieces[index])
      unsafe pieces[index] = nil
    }
    #expect(ProcessMemory.allocatedBytes < used - 32 << 20)
    let before = ProcessMemory.giveBack()
    let after = ProcessMemory.giveBack()
    #expect(before > 40 << 20)
    #expect(after < before - 32 << 20)
    for piece in unsafe pieces { unsafe free(piece) }
  }
}

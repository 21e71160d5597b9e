import CSystemShims
import Glibc

/// How the process keeps memory that it has given back; see decision 10.
public enum ProcessMemory {
  /// Few arenas: each thread of Dispatch and of tasks would come to have one of its own, and what
  /// is free in one helps no other.
  ///
  /// With two, threads wait for each other's locks.
  private static let arenas = 4
  /// Longer pieces are mapped one by one and go back to the system when they are given back.
  ///
  /// Set, so that it stays: by itself it grows, up to 32 MiB, with each longer piece that is given
  /// back.
  private static let mapBytes = 256 << 10
  /// Free bytes at the end of an arena that stay: the batches of one moment to the next.
  private static let trimBytes = 4 << 20

  /// Keeps little; called once, before other threads begin.
  ///
  /// Whoever has set glibc's own variables (mallopt(3)) knows better.
  public static func keepLittle() {
    for name in ["MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"] {
      if unsafe getenv(name) != nil { return }
    }
    shim_configure_malloc(Int32(arenas), Int32(mapBytes), Int32(trimBytes))
  }

  /// Bytes that the process has asked for and not given back; what is resident beyond them and the
  /// program itself is free memory that the system has not got back. It takes the locks of all
  /// arenas for a moment.
  public static var allocatedBytes: UInt64 { UInt64(shim_allocated_bytes()) }
}

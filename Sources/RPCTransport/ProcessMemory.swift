import CSystemShims
import Glibc

/// How the process keeps memory that it has given back; see decision 10.
public enum ProcessMemory {
  /// As many arenas as there are threads of a busy server: what is free in one helps no other, but
  /// threads that share one wait for its lock, also while the one that holds it is set aside.
  private static let arenas = 16
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

  /// Free memory that may stay with the process, in bytes: 16 MiB, the pages of a busy moment.
  private static let keptBytes: UInt64 = 16 << 20

  /// Gives pages that are free back to the system where they are many; called now and then.
  ///
  /// By itself malloc gives back only what is free at the end of an arena, and in a process that
  /// runs for days one piece that stays holds all below it. Threads that need the arena wait: one
  /// to five milliseconds for ten free MiB, 30 to 60 for 160. Returns how many bytes of the process
  /// were in memory for no use.
  @discardableResult
  public static func giveBack() -> UInt64 {
    let (resident, used) = (anonymousBytes, allocatedBytes)
    let unused = resident > used ? resident - used : 0
    if unused > keptBytes { shim_trim_malloc() }
    return unused
  }

  /// Bytes in memory that belong to no file, from /proc/self/statm (proc(5)); 0: it cannot be read.
  private static var anonymousBytes: UInt64 {
    let descriptor = unsafe open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return 0 }
    defer { close(descriptor) }
    let text = unsafe String(unsafeUninitializedCapacity: 128) { buffer in
      unsafe max(0, read(descriptor, buffer.baseAddress, buffer.count))
    }
    let pages = text.split(separator: " ").compactMap { UInt64($0) }
    guard pages.count > 2, pages[1] > pages[2] else { return 0 }
    return (pages[1] - pages[2]) * UInt64(sysconf(Int32(_SC_PAGESIZE)))
  }

  /// Bytes that the process has asked for and not given back.
  ///
  /// What is resident beyond them and the program itself is free memory that the system has not got
  /// back. Takes the locks of all arenas for a moment.
  public static var allocatedBytes: UInt64 { UInt64(shim_allocated_bytes()) }
}

import Glibc

/// What the system keeps of a file in memory.
enum FileCache {
  /// Forgets it, so that the next reads come from the disk.
  ///
  /// False: some of it stays, such as what another process has mapped and what is not on disk yet,
  /// or it cannot be looked at.
  static func drop(_ file: Int32) -> Bool {
    var information = stat()
    guard unsafe fstat(file, &information) == 0 else { return false }
    let count = Int(information.st_size)
    guard count > 0 else { return true }
    guard posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0 else { return false }
    guard let place = unsafe mmap(nil, count, PROT_READ, MAP_SHARED, file, 0),
      unsafe place != MAP_FAILED
    else { return false }
    defer { unsafe munmap(place, count) }
    let pageBytes = Int(sysconf(Int32(_SC_PAGESIZE)))
    var pages = [UInt8](repeating: 0, count: (count + pageBytes - 1) / pageBytes)
    // The lowest bit of each: whether the page is in memory (mincore(2)).
    guard unsafe mincore(place, count, &pages) == 0 else { return false }
    return pages.allSatisfy { $0 & 1 == 0 }
  }
}

import Foundation

/// What libFuzzer calls: the functions that its runtime looks for by name.
///
/// `FUZZ_TARGET` in the environment names the target; without it the program says which there are.
private let chosen: FuzzTarget = {
  let name = ProcessInfo.processInfo.environment["FUZZ_TARGET"]
  guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
    for target in FuzzTarget.all { print("\(target.name) \(target.maximumBytes)") }
    exit(name == nil ? 0 : 2)
  }
  return target
}()

/// Called once, before the first input.
@_cdecl("LLVMFuzzerInitialize")
public func initializeFuzzer(
  _ count: UnsafeMutablePointer<Int32>?, _ words: UnsafeMutableRawPointer?
) -> Int32 {
  _ = chosen
  return 0
}

/// Called with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafeRawPointer?, _ count: Int) -> Int32 {
  do {
    try chosen.run(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
  } catch {
    fatalError("\(chosen.name): \(error)")
  }
  return 0
}

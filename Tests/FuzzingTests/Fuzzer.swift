#if FUZZING
  import Foundation

  /// The program of libFuzzer: its own options, and the target that FUZZ_TARGET in the environment
  /// names; without one it says which there are, and the longest input of each.
  @main
  enum Fuzzer {
    static let target: FuzzTarget? = {
      let name = ProcessInfo.processInfo.environment["FUZZ_TARGET"]
      return FuzzTarget.all.first { $0.name == name }
    }()

    static func main() {
      guard target != nil else {
        for target in FuzzTarget.all { print("\(target.name) \(target.maximumBytes)") }
        exit(ProcessInfo.processInfo.environment["FUZZ_TARGET"] == nil ? 0 : 2)
      }
      var (count, words) = (CommandLine.argc, CommandLine.unsafeArgv)
      exit(
        runDriver(&count, &words) { start, count in
          do {
            try Fuzzer.target?.run(
              UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
          } catch {
            fatalError("\(error)")
          }
          return 0
        })
    }
  }

  /// What libFuzzer calls with each input.
  private typealias OneInput = @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32

  /// libFuzzer's own run, as FuzzerInterface.h declares it.
  @_silgen_name("LLVMFuzzerRunDriver")
  private func runDriver(
    _ count: UnsafeMutablePointer<Int32>,
    _ words: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<Int8>?>>,
    _ test: OneInput
  ) -> Int32
#endif

import Foundation
import TestSupport
import Testing

@testable import integrationd

@Suite struct WaitingLinesTests {
  /// Adds lines; whether each of them asks somebody to read.
  private func add(_ added: [String], to lines: inout WaitingLines) -> [Bool] {
    added.map { lines.add($0) }
  }

  @Test("One reader is asked to come, and takes all that waits in one piece")
  func oneReader() {
    var lines = WaitingLines(maximumBytes: 100)
    #expect(add(["a\n", "b\n"], to: &lines) == [true, false])
    let first = lines.take(at: "now")
    #expect(first == "a\nb\n")
    #expect(add(["c\n"], to: &lines) == [false])
    let rest = [lines.take(at: "now"), lines.take(at: "now")]
    #expect(rest == ["c\n", nil])
    #expect(add(["d\n"], to: &lines) == [true])
  }

  @Test("What finds no place is dropped and counted where it would have stood")
  func dropped() {
    var lines = WaitingLines(maximumBytes: 8)
    #expect(add(["12345\n", "12345\n", "1\n", "2\n"], to: &lines) == [true, false, false, false])
    let text = lines.take(at: "now") ?? ""
    #expect(text.hasPrefix("12345\nnow level=warning event=log_lines_dropped lines=3 "), "\(text)")
    // A line alone may be as long as it likes.
    #expect(add(["123456789\n"], to: &lines) == [false])
    let next = lines.take(at: "now")
    #expect(next == "123456789\n")
  }

  @Test("The line that ends the program has a place, and stands behind the count")
  func last() {
    var lines = WaitingLines(maximumBytes: 8)
    #expect(add(["12345\n", "dropped\n"], to: &lines) == [true, false])
    let isFirst = lines.addLast("integrationd: the end\n", at: "now")
    #expect(!isFirst)
    let text = lines.take(at: "now") ?? ""
    #expect(text.contains("lines=1 "), "\(text)")
    #expect(text.hasSuffix("\nintegrationd: the end\n"), "\(text)")
  }
}

extension EndToEnd {
  /// Standard error is a pipe that is full, and nobody reads it.
  @Suite struct LogTests {
    private let scratch: ScratchDirectory
    private let pipe: String
    /// Both ends: the pipe stays open, and full.
    private let held: FileHandle

    init() throws {
      scratch = try ScratchDirectory()
      pipe = scratch.file("pipe")
      guard mkfifo(pipe, 0o600) == 0 else { throw SystemCallFailed("mkfifo") }
      let descriptor = open(pipe, O_RDWR | O_NONBLOCK | O_CLOEXEC)
      guard descriptor >= 0 else { throw SystemCallFailed("open") }
      held = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
      for size in [4_096, 1] {
        let filling = [UInt8](repeating: 0x78, count: size)
        while write(descriptor, filling, size) > 0 {}
      }
    }

    private func start(data: String) throws -> Program {
      try Program(
        "/bin/sh",
        [
          "-c", "exec \"$@\" 2> \"$0\"", pipe, Program.built("integrationd"), "--data", data,
          "--listen", "unix:" + scratch.file("s"),
        ])
    }

    @Test("A server whose log nobody reads serves, and ends when it is asked to")
    func serves() async throws {
      let server = try start(data: scratch.file("data"))
      let answered = try await eventually("a server that answers") {
        let output = try await Program.run(
          Program.built("integrationctl"), ["server", "info"],
          environment: ["INTEGRATION_SERVER": "unix:" + scratch.file("s")])
        return output.end == .code(0) ? output : nil
      }
      #expect(answered.standardOutput.contains("memory_bytes"))
      server.send(SIGTERM)
      #expect(try await server.waitForEnd(within: .seconds(20)) == .code(0))
    }

    @Test("A server that cannot start ends although nobody reads why")
    func cannotStart() async throws {
      let server = try start(data: "/proc/integrationd")
      #expect(try await server.waitForEnd(within: .seconds(20)) == .code(1))
    }
  }
}

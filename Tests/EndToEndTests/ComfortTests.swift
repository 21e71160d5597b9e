import Foundation
import TestSupport
import Testing

extension EndToEnd {
  /// Completion in a real shell, contexts and edges of standard streams, against a real server.
  @Suite struct ComfortTests {
    /// Runs a line of bash with the programs on the path.
    private func bash(
      _ script: String, _ environment: [String: String] = [:]
    ) async throws -> ProgramOutput {
      let programs = URL(fileURLWithPath: Program.built("integrationctl"))
        .deletingLastPathComponent().path
      let path = "\(programs):\(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")"
      return try await Program.run(
        "/bin/bash", ["--norc", "-c", script],
        environment: environment.merging(["PATH": path]) { $1 })
    }

    /// Asks the loaded completion as readline would: `COMP_WORDS` broken at "=" and ":" too.
    private static let ask = #"""
      source <(integrationctl completion bash)
      compopt() { :; }
      ask() {
        COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=()
        local word= char place
        for ((place = 0; place < ${#1}; place++)); do
          char=${1:place:1}
          case $char in
            ' ') [[ $word ]] && COMP_WORDS+=("$word"); word= ;;
            [=:]) [[ $word ]] && COMP_WORDS+=("$word"); COMP_WORDS+=("$char"); word= ;;
            *) word+=$char ;;
          esac
        done
        COMP_WORDS+=("$word")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _integrationctl integrationctl
        printf '%s\n' "${COMPREPLY[@]}"
      }
      """#

    @Test("bash completes verbs, choices, names and ids from the server that the line means")
    func completion() async throws {
      let stage = try await Stage()
      _ = try await stage.createIntegration()
      let agent = try stage.startAgent("--once")
      #expect(try await agent.waitForEnd() == .code(0))
      let logs = try await stage.ctl("logs", "list", as: [LogJSON].self)
      let script =
        Self.ask + "\n"
        + [
          "integrationctl logs sh", "integrationctl logs list --status=FAILED,CA",
          "integrationctl -s \(stage.unix) integrations show cus",
          "integrationctl --server=\(stage.unix) actions show customsoft export",
          "integrationctl -s \(stage.unix) logs show ",
        ].map { "ask '\($0)'" }.joined(separator: "\n")
      let output = try await bash(script)
      #expect(
        output.standardOutput.split(separator: "\n").map(String.init)
          == ["show", "FAILED,CANCELLED", "customsoft", "export_quote"] + logs.map(\.id))
      #expect(output.standardError.isEmpty)
    }

    @Test("A server that does not answer holds the Tab key for less than a second, in silence")
    func silentServer() async throws {
      // A socket that listens and never accepts: HELLO is not answered.
      let scratch = try ScratchDirectory()
      let path = scratch.file("deaf.sock")
      let deaf = try DeafSocket(path)
      let clock = ContinuousClock()
      let start = clock.now
      let output = try await Program.run(
        Program.built("integrationctl"),
        ["__complete", "bash", "integrationctl -s unix:\(path) logs show "])
      #expect(clock.now - start < .seconds(5))
      #expect(output.end == .code(0))
      #expect(output.standardOutput.isEmpty)
      #expect(output.standardError.isEmpty)
      withExtendedLifetime(deaf) {}
    }

    @Test("A context leads to its server, from a shell's redirection to the call")
    func contexts() async throws {
      let stage = try await Stage()
      let home = ["XDG_CONFIG_HOME": stage.scratch.file("config"), "INTEGRATION_SERVER": ""]
      let output = try await bash(
        """
        set -e
        integrationctl context add here --server \(stage.unix) </dev/null
        echo imo_wrong | integrationctl context add wrong --server \(stage.tcp)
        integrationctl status
        integrationctl status --context wrong || echo "code $?"
        integrationctl context list
        stat -c %a \(stage.scratch.file("config"))/integrationctl/contexts
        """, home)
      #expect(output.end == .code(0), "\(output.standardError)")
      #expect(output.standardOutput.contains("Nothing is wrong."))
      #expect(output.standardOutput.contains("code 4"))
      #expect(output.standardOutput.hasSuffix("600\n"))
      #expect(!output.standardOutput.contains("imo_wrong"))
      #expect(!output.standardError.contains("imo_wrong"))
    }

    @Test("A closed output, a full one and a wrong byte are said with the right exit code")
    func streams() async throws {
      let stage = try await Stage()
      let server = ["INTEGRATION_SERVER": stage.unix]
      let closed = try await bash("integrationctl status >&-", server)
      #expect(closed.end == .code(1))
      #expect(closed.standardError.contains("cannot be written"))
      let full = try await bash("integrationctl status >/dev/full", server)
      #expect(full.end == .code(1))
      let pipe = try await bash("integrationctl --man | head -n 1", server)
      #expect(pipe.standardOutput.hasPrefix(".\\\""))
      #expect(pipe.standardError.isEmpty)
      let bytes = try await bash("integrationctl logs list --entity $'\\xff'", server)
      #expect(bytes.end == .code(2))
      #expect(bytes.standardError.contains("not valid UTF-8"))
      let homeless = try await bash("env -u HOME integrationctl status", server)
      #expect(homeless.end == .code(0))
    }

    @Test("man and mandoc find no fault in the manual pages")
    func manuals() async throws {
      let scratch = try ScratchDirectory()
      let output = try await bash(
        """
        integrationctl man \(scratch.file("man")) >/dev/null
        for program in integrationd customsoft-agent protoc-gen-integration-swift; do
          $program --man >\(scratch.file("man"))/$program.1
        done
        for page in \(scratch.file("man"))/*.1; do
          if command -v mandoc >/dev/null; then mandoc -Tlint -W error $page; fi
          if command -v man >/dev/null; then man --warnings -l $page 2>&1 >/dev/null; fi
        done
        """)
      #expect(output.standardOutput.isEmpty, "\(output.standardOutput)")
      #expect(output.standardError.isEmpty, "\(output.standardError)")
    }
  }
}

/// A Unix socket that listens and says nothing.
private final class DeafSocket {
  private let descriptor: Int32

  init(_ path: String) throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard descriptor >= 0, bound == 0, listen(descriptor, 8) == 0 else {
      throw SystemCallFailed("listen")
    }
  }

  deinit { close(descriptor) }
}

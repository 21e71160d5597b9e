import TestSupport
import Testing

/// Operators' calls change the store on the one way that the audit stands on.
@Suite struct AuditWayTests {
  static let files = SourceFile.swift.filter {
    $0.path.hasPrefix("Sources/IntegrationService/Operators/")
  }

  @Test("No operator's handler gives the store a command past the audit", arguments: files)
  func pastTheAudit(file: SourceFile) {
    let past = file.lines(with: ["store.perform", "store.submit"]).map(\.number)
    #expect(past == [], "lines: use change, perform or commit, which say who did it")
  }

  @Test("There are such handlers")
  func found() { #expect(Self.files.count > 10) }
}

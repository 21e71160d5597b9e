import TestSupport
import Testing

/// The house: rows of modules, and what each may import.
@Suite struct RowTests {
  /// Imports that stay within a row, with the reason.
  static let withinRow: [String: Set<String>] = [
    "IntegrationProtos": ["CProtobufC"],  // the generated C needs the library's header
    "IntegrationAgent": ["IntegrationClient"],  // an agent is a client with work to do
  ]
  /// Modules of the toolchain that a pure module must not know.
  static let impure: Set = ["Foundation", "FoundationEssentials", "Dispatch", "Glibc"]
  static let pure: Set = ["RPCWire", "JSONText", "IntegrationModel", "StubGenerator"]
  static let withoutFoundation = pure.union([
    "RPCTransport", "RPCInProcess", "RPCServer", "ProtobufRuntime", "IntegrationStore",
    "SQLiteStore", "SQLiteDatabase", "IntegrationService", "Credentials",
  ])
  /// Who may import a C module.
  static let importers: [String: Set<String>] = [
    "CProtobufC": ["ProtobufRuntime"], "CSQLite": ["SQLiteDatabase"], "COpenSSL": ["Credentials"],
    "CSystemShims": ["RPCTransport"], "CBenchLoad": ["integration-bench"],
    "IntegrationProtos": [
      "ProtobufRuntime", "RPCEnvelope", "IntegrationAPI", "protoc-gen-integration-swift",
    ],
  ]

  let manifest: Manifest

  init() throws { manifest = try Manifest.package.get() }

  @Test("The manifest is understood: every target that has a folder is found in a row")
  func manifestIsRead() {
    let folders = Set(SourceFile.swift.map(\.target) + SourceFile.c.map(\.target))
    #expect(Set(manifest.sources.map(\.name)) == folders)
    #expect(manifest.sources.allSatisfy { !$0.row.isEmpty })
  }

  @Test("A target depends on rows below its own only")
  func dependenciesPointDown() {
    let rows = manifest.sources.map(\.row).reduce(into: [String]()) {
      if $0.last != $1 { $0.append($1) }
    }
    #expect(Set(rows).count == rows.count, "a row stands in two places: \(rows)")
    for target in manifest.sources {
      for name in target.dependencies.subtracting(Self.withinRow[target.name] ?? []) {
        guard let other = manifest.target(name) else { continue }
        #expect(
          other.row != target.row && other.place < target.place,
          "\(target.name) (\(target.row)) depends on \(name) (\(other.row))")
      }
    }
  }

  @Test("A file imports only what its target declares", arguments: SourceFile.swift)
  func importsAreDeclared(file: SourceFile) throws {
    let target = try #require(manifest.target(file.target))
    for module in file.imports where manifest.target(module) != nil {
      #expect(target.dependencies.contains(module), "import \(module)")
    }
  }

  @Test("Pure modules know no clock, socket or queue; hot ones no Foundation")
  func pureModules() {
    for file in SourceFile.swift {
      let imports = Set(file.imports)
      if Self.pure.contains(file.target) {
        #expect(imports.isDisjoint(with: Self.impure), "\(file.path)")
      }
      if Self.withoutFoundation.contains(file.target) {
        #expect(imports.isDisjoint(with: ["Foundation", "FoundationEssentials"]), "\(file.path)")
      }
    }
  }

  @Test("Each C module has its one importer")
  func oneImporter() {
    for file in SourceFile.swift {
      for module in file.imports {
        guard let allowed = Self.importers[module] else { continue }
        #expect(allowed.contains(file.target), "\(file.path) imports \(module)")
      }
    }
  }

  @Test("README's map shows the rows of Package.swift, top down")
  func readmeMap() throws {
    let block = try SourceTree.text("README.md").components(after: "```map\n")
    let lines = block.prefix(upTo: block.firstRange(of: "```")?.lowerBound ?? block.startIndex)
    let shown = lines.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    let rows = manifest.sources.map(\.row).reduce(into: [String]()) {
      if $0.last != $1 { $0.append($1) }
    }
    #expect(shown.compactMap(\.first) == rows.reversed())
    for row in shown {
      let expected = manifest.sources.filter { $0.row == row.first }.map(\.name)
      #expect(Set(row.dropFirst()) == Set(expected), "row \(row.first ?? "")")
    }
  }
}

// swift-tools-version: 6.2
import PackageDescription

// Targets stand in the order of the map in README.md; a row imports only rows below it.

// The path of libFuzzer's runtime, for the build that Tests/Torture/fuzzing/fuzz.py makes. Both
// sanitizers stand in one flag: of two the compiler heeds the last.
let fuzzer = Context.environment["INTEGRATION_FUZZ"]
let fuzzing: [SwiftSetting] =
  fuzzer == nil ? [] : [.unsafeFlags(["-sanitize=fuzzer,address", "-enable-testing"])]

let strict: [SwiftSetting] =
  fuzzing + [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
  ]
let test: [SwiftSetting] =
  fuzzing + [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
  ]

// Faults that are built in on purpose, one at a time, so that Scripts/torture --controls can show
// which harness catches each: INTEGRATION_PLANTED_BUG=no-lease-check swift build --scratch-path …
let plantedBugs = [
  "acknowledge-before-commit": "SQLiteStore",
  "ignore-failed-sync": "SQLiteStore",
  "leak-call": "IntegrationService",
  "leak-session": "IntegrationService",
  "length-off-by-one": "RPCWire",
  "lost-wake-up": "IntegrationService",
  "missing-role-check": "IntegrationService",
  "no-keepalive": "RPCTransport",
  "no-lease-check": "IntegrationModel",
  "no-log-renewal": "SQLiteStore",
  "no-login-limit": "IntegrationService",
  "no-utf8-check": "ProtobufRuntime",
  "other-integration": "SQLiteStore",
  "plain-key-in-log": "IntegrationService",
  "secrets-not-wiped": "RPCTransport",
  "synchronous-normal": "SQLiteStore",
  "unbounded-abandoned": "RPCServer",
  "unbounded-write-queue": "RPCTransport",
  "unlocked-agent": "IntegrationService",
  "wall-clock-deadlines": "RPCTransport",
]
let plantedBug = Context.environment["INTEGRATION_PLANTED_BUG"]
precondition(plantedBug.map { plantedBugs[$0] != nil } ?? true, "no planted bug has this name")
func planted(in name: String) -> [SwiftSetting] {
  guard let plantedBug, plantedBugs[plantedBug] == name else { return [] }
  return [
    .define("PLANTED_" + String(plantedBug.uppercased().map { $0 == "-" ? "_" : $0 }))
  ]
}

func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict + planted(in: name))
}
// The Swift runtime is part of each released program: it starts in half of the time, and runs
// where no Swift is installed. SwiftPM allows the flag to the package that is built itself. Not for
// a program with resources: what finds them imports the whole of Foundation.
let programLinking: [LinkerSetting] = [
  .unsafeFlags(
    ["-static-stdlib", "-l_FoundationCollections", "-l_FoundationCShims"],
    .when(configuration: .release))
]
func program(
  _ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil
) -> Target {
  .executableTarget(
    name: name, dependencies: dependencies, resources: resources, swiftSettings: strict,
    linkerSettings: resources == nil ? programLinking : nil)
}
func suite(
  _ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil
) -> Target {
  .testTarget(
    name: name, dependencies: dependencies + ["TestSupport"], path: "Tests/\(name)",
    resources: resources, swiftSettings: test)
}

// What meets bytes from outside; see Tests/FuzzingTests.
let fuzzed: [Target.Dependency] = [
  "IntegrationService", "SQLiteStore", "IntegrationStore", "IntegrationAPI", "IntegrationModel",
  "RPCServer", "RPCClient", "RPCTransport", "RPCInProcess", "RPCEnvelope", "RPCWire",
  "ProtobufRuntime", "IntegrationProtos", "CProtobufC", "SQLiteDatabase", "JSONText", "Credentials",
  "CommandLineOptions",
]

let package = Package(
  name: "integration-manager",
  products: [
    .library(name: "IntegrationAgent", targets: ["IntegrationAgent"]),
    .library(name: "IntegrationClient", targets: ["IntegrationClient"]),
    .executable(name: "integrationd", targets: ["integrationd"]),
    .executable(name: "integrationctl", targets: ["integrationctl"]),
    .executable(name: "integration-bench", targets: ["integration-bench"]),
    .executable(name: "customsoft-agent", targets: ["customsoft-agent"]),
    .executable(
      name: "protoc-gen-integration-swift", targets: ["protoc-gen-integration-swift"]),
  ],
  targets: [
    // C
    .target(name: "CSystemShims"),
    .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c"),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3"),
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto"),
    .target(
      name: "IntegrationProtos", dependencies: ["CProtobufC"], publicHeadersPath: "Generated"),
    .target(name: "CBenchLoad"),

    // codec: bytes, and one Swift module for each C library
    library("RPCWire"),
    library("JSONText"),
    library("ProtobufRuntime", ["CProtobufC", "IntegrationProtos"]),
    library("SQLiteDatabase", ["CSQLite"]),
    library("Credentials", ["COpenSSL"]),

    // transport
    library("RPCEnvelope", ["ProtobufRuntime", "IntegrationProtos"]),
    library("RPCTransport", ["RPCWire", "CSystemShims"]),
    library("RPCInProcess", ["RPCWire"]),

    // calls
    library(
      "RPCServer", ["RPCTransport", "RPCInProcess", "RPCEnvelope", "RPCWire", "ProtobufRuntime"]),
    library(
      "RPCClient", ["RPCTransport", "RPCInProcess", "RPCEnvelope", "RPCWire", "ProtobufRuntime"]),

    // domain
    library("IntegrationModel"),

    // contract
    library("IntegrationStore", ["IntegrationModel", "JSONText"]),
    library(
      "IntegrationAPI",
      ["RPCServer", "RPCClient", "RPCTransport", "RPCWire", "ProtobufRuntime", "IntegrationProtos"]),

    // storage
    library(
      "SQLiteStore", ["IntegrationStore", "IntegrationModel", "SQLiteDatabase", "JSONText"]),

    // product
    library(
      "IntegrationService",
      [
        "IntegrationAPI", "IntegrationStore", "IntegrationModel", "RPCServer", "RPCTransport",
        "RPCWire", "ProtobufRuntime", "Credentials", "JSONText",
      ]),
    library("IntegrationClient", ["IntegrationAPI", "RPCClient", "RPCWire", "ProtobufRuntime"]),
    library(
      "IntegrationAgent",
      [
        "IntegrationClient", "IntegrationAPI", "RPCClient", "RPCWire", "ProtobufRuntime",
        "SQLiteDatabase",
      ]),
    library("StubGenerator"),
    library("CommandLineOptions"),

    // programs
    program(
      "integrationd",
      [
        "IntegrationService", "SQLiteStore", "IntegrationStore", "IntegrationModel", "RPCServer",
        "RPCTransport", "RPCWire", "ProtobufRuntime", "Credentials", "CommandLineOptions",
      ]),
    program(
      "integrationctl",
      [
        "IntegrationClient", "IntegrationAPI", "IntegrationModel", "RPCClient", "RPCWire",
        "ProtobufRuntime", "CommandLineOptions", "JSONText",
      ]),
    program(
      "integration-bench",
      [
        "IntegrationClient", "IntegrationAPI", "RPCClient", "RPCWire", "ProtobufRuntime",
        "RPCEnvelope", "CommandLineOptions", "CBenchLoad",
      ]),
    program(
      "customsoft-agent",
      [
        "IntegrationAgent", "IntegrationClient", "IntegrationAPI", "RPCWire", "SQLiteDatabase",
        "CommandLineOptions", "Credentials",
      ],
      resources: [.copy("Data")]),
    program(
      "protoc-gen-integration-swift",
      ["StubGenerator", "CommandLineOptions", "ProtobufRuntime", "IntegrationProtos"]),

    // tests
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: test),
    suite("RPCWireTests", ["RPCWire"]),
    suite(
      "ProtobufRuntimeTests",
      [
        "ProtobufRuntime", "IntegrationAPI", "RPCServer", "RPCClient", "RPCInProcess", "RPCWire",
        "IntegrationProtos", "CProtobufC",
      ]),
    suite(
      "RPCTests",
      [
        "RPCServer", "RPCClient", "RPCTransport", "RPCInProcess", "RPCEnvelope", "RPCWire",
        "ProtobufRuntime",
      ]),
    suite("CredentialsTests", ["Credentials"]),
    suite("IntegrationModelTests", ["IntegrationModel"]),
    suite(
      "StoreContractTests",
      ["IntegrationStore", "SQLiteStore", "IntegrationModel", "SQLiteDatabase"]),
    suite(
      "IntegrationServiceTests",
      [
        "IntegrationService", "IntegrationAPI", "SQLiteStore", "IntegrationStore",
        "IntegrationModel", "RPCServer", "RPCClient", "RPCInProcess", "RPCWire", "ProtobufRuntime",
        "Credentials",
      ]),
    suite(
      "HotPathTests",
      [
        "IntegrationService", "IntegrationAPI", "SQLiteStore", "IntegrationStore",
        "IntegrationModel", "RPCServer", "RPCInProcess", "RPCWire", "Credentials",
      ]),
    suite(
      "IntegrationAgentTests",
      [
        "IntegrationAgent", "IntegrationClient", "IntegrationAPI", "RPCServer", "RPCClient",
        "RPCTransport", "RPCWire", "ProtobufRuntime", "SQLiteDatabase", "customsoft-agent",
      ]),
    suite(
      "StubGeneratorTests",
      ["StubGenerator", "ProtobufRuntime", "protoc-gen-integration-swift"],
      resources: [.copy("Fixtures")]),
    suite(
      "CommandLineTests",
      [
        "CommandLineOptions", "integrationctl", "IntegrationAPI", "RPCServer", "RPCClient",
        "RPCWire", "ProtobufRuntime",
      ]),
    suite(
      "EndToEndTests",
      [
        "integrationd", "integrationctl", "customsoft-agent", "integration-bench",
        "protoc-gen-integration-swift", "SQLiteDatabase",
      ],
      resources: [.copy("Fixtures")]),
    suite("FuzzingTests", fuzzed),
    suite("TidyTests", []),
  ]
)

// The same targets as one program of libFuzzer. Its runtime has no main function: SwiftPM gives
// programs one under another name.
if let fuzzer {
  package.targets.removeAll { $0.name == "FuzzingTests" }
  package.targets.append(
    .executableTarget(
      name: "integration-fuzz", dependencies: fuzzed, path: "Tests/FuzzingTests",
      exclude: ["Replay"], swiftSettings: test + [.define("FUZZING")],
      linkerSettings: [
        .unsafeFlags(["-sanitize=address", "-Xlinker", fuzzer, "-Xlinker", "-lstdc++"])
      ]))
}

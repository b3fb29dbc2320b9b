// swift-tools-version: 6.2
import PackageDescription

// Every target is compiled in Swift 6 mode, warnings are errors, and a `nonisolated async` function stays on its
// caller's executor: the event loops depend on that (see Sources/README.md, "Threads").
let swiftSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

/// A C library of the distribution: a module map and a shim header, nothing else.
func fence(_ name: String, pkgConfig: String, apt: String) -> Target {
  .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
}

func library(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: swiftSettings)
}

func executable(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
  .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: swiftSettings)
}

let fences: [Target] = [
  fence("CNghttp2", pkgConfig: "libnghttp2", apt: "libnghttp2-dev"),
  fence("CProtobufC", pkgConfig: "libprotobuf-c", apt: "libprotobuf-c-dev"),
  fence("CLibpq", pkgConfig: "libpq", apt: "libpq-dev"),
  fence("COpenSSL", pkgConfig: "libssl", apt: "libssl-dev"),
  fence("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev"),
  fence("CCurl", pkgConfig: "libcurl", apt: "libcurl4-openssl-dev"),
  fence("CGMime", pkgConfig: "gmime-3.0", apt: "libgmime-3.0-dev"),
  fence("CMicrohttpd", pkgConfig: "libmicrohttpd", apt: "libmicrohttpd-dev"),
]

// What every service stands on; none of these knows what a ticket is, save `HandoffAPI`.
let foundations: [Target] = [
  .target(name: "CEventLoop"),
  .target(name: "CDescriptorProtos", dependencies: ["CProtobufC"]),
  .target(
    name: "CHandoffProtos", dependencies: ["CProtobufC", "CDescriptorProtos"], exclude: ["descriptors.binpb"]),
  .target(name: "CAssets"),
  library("EventLoop", ["CEventLoop"]),
  library("Crypto", ["COpenSSL"]),
  library("Protobuf", ["CProtobufC"]),
  library("HTTP2", ["CNghttp2"]),
  library("RPCProtos", ["Protobuf", "CHandoffProtos"]),
  library("RPC", ["EventLoop", "Crypto", "HTTP2", "Protobuf", "RPCProtos", "CZlib"]),
  library("Postgres", ["EventLoop", "CLibpq"]),
  library("HandoffAPI", ["RPC", "RPCProtos", "Protobuf", "CHandoffProtos"]),
  library("ServiceKit", ["RPC", "RPCProtos", "EventLoop", "Crypto", "CAssets", "CMicrohttpd"]),
  // Apart from ServiceKit, which therefore knows no database.
  library("ServiceDatabase", ["Postgres", "ServiceKit", "EventLoop"]),
  library("Outbound", ["EventLoop", "CCurl"]),
  library("MessageJSON", ["Protobuf", "Crypto"]),
  library("PersonalData", []),
]

// One library a service; a service never imports another one.
let services: [Target] = [
  // It knows the API because a row of the database becomes a `Ticket` there, once for all services.
  library(
    "TicketLedger",
    [
      "HandoffAPI", "RPC", "RPCProtos", "Protobuf", "EventLoop", "Postgres", "ServiceDatabase", "ServiceKit",
      "Crypto", "PersonalData",
    ],
    exclude: ["Migrations"]),
  library(
    "Tickets",
    [
      "HandoffAPI", "RPC", "RPCProtos", "Protobuf", "EventLoop", "TicketLedger", "Postgres", "ServiceKit", "Crypto",
      "PersonalData", "MessageJSON", "Outbound",
    ],
    exclude: ["Migrations"]),
  library(
    "Assignment",
    [
      "HandoffAPI", "RPC", "RPCProtos", "Protobuf", "TicketLedger", "Postgres", "ServiceKit", "Crypto", "EventLoop",
      "MessageJSON", "Outbound",
    ],
    exclude: ["Migrations"]),
  library(
    "Mail",
    [
      "HandoffAPI", "RPC", "RPCProtos", "Protobuf", "EventLoop", "TicketLedger", "Postgres", "ServiceKit", "Outbound",
      "Crypto", "CGMime",
    ],
    exclude: ["Migrations"]),
  library(
    "Masking",
    [
      "HandoffAPI", "RPC", "RPCProtos", "Protobuf", "EventLoop", "TicketLedger", "Postgres", "ServiceKit", "Crypto",
      "PersonalData",
    ],
    exclude: ["Migrations"]),
  // Sees tickets through the other daemons only, so it does without the ledger.
  library(
    "Gateway",
    [
      "HandoffAPI", "RPC", "RPCProtos", "Protobuf", "EventLoop", "MessageJSON", "Postgres", "ServiceDatabase",
      "ServiceKit", "Crypto",
    ],
    exclude: ["Migrations"]),
]

let executables: [Target] = [
  // A scriptable server that stock gRPC clients are run against.
  .executableTarget(
    name: "rpc-echo", dependencies: ["RPC", "EventLoop"], path: "Tests/WireTests/Server", swiftSettings: swiftSettings),
  // The two ends of gRPC's interoperability tests.
  .executableTarget(
    name: "rpc-interop-server", dependencies: ["RPC", "RPCProtos", "Crypto", "EventLoop", "TestProtos"],
    path: "Tests/InteropTests/Server", swiftSettings: swiftSettings),
  .executableTarget(
    name: "rpc-interop-client", dependencies: ["RPC", "Crypto", "EventLoop", "Protobuf", "TestProtos"],
    path: "Tests/InteropTests/Client", swiftSettings: swiftSettings),
  // Our side of `scripts/bench rpc`.
  .executableTarget(
    name: "rpc-bench", dependencies: ["RPC", "Crypto", "EventLoop", "ServiceKit", "TestProtos"],
    path: "Benchmarks/rpc/handoff", swiftSettings: swiftSettings),
  executable(
    "handoff-tickets",
    ["EventLoop", "HandoffAPI", "RPC", "ServiceDatabase", "ServiceKit", "TicketLedger", "Tickets"]),
  executable("handoff-assignment", ["Assignment", "HandoffAPI", "TicketLedger", "ServiceDatabase", "ServiceKit"]),
  executable("handoff-mail", ["EventLoop", "HandoffAPI", "Mail", "ServiceDatabase", "ServiceKit", "TicketLedger"]),
  executable("handoff-masking", ["Masking", "HandoffAPI", "ServiceDatabase", "ServiceKit", "TicketLedger"]),
  executable("handoff-gateway", ["EventLoop", "Gateway", "RPC", "ServiceDatabase", "ServiceKit"]),
  executable("handoff", ["Operator"]),
  // Starts the cluster's processes: between fork and exec only C is safe.
  .target(name: "CSpawn"),
  // No service is among its dependencies: what it does to a cluster goes through the API or the ledger.
  library(
    "Operator",
    [
      "CSpawn", "Crypto", "EventLoop", "HandoffAPI", "MessageJSON", "Outbound", "Postgres", "Protobuf", "RPC",
      "RPCProtos", "ServiceKit", "TicketLedger",
    ]),
  // The program behind scripts/bench masking.
  .executableTarget(
    name: "masking-bench",
    dependencies: [
      "EventLoop", "HandoffAPI", "HandoffTestKit", "LedgerTestKit", "Masking", "PersonalData", "Postgres", "RPC",
      "ServiceKit", "TicketLedger", "Tickets",
    ], path: "Benchmarks/masking/handoff", swiftSettings: swiftSettings),
  executable("protoc-gen-handoff", ["Protobuf", "CDescriptorProtos"]),
]

let testTargets: [Target] = [
  tests("EventLoopTests", ["EventLoop"]),
  tests(
    "ProtobufTests", ["Protobuf", "RPC", "RPCProtos", "HandoffAPI", "TestProtos", "HandoffTestKit"],
    exclude: ["peer.py"]),
  .target(
    name: "CTestProtos", dependencies: ["CProtobufC", "CHandoffProtos"], path: "Tests/CTestProtos",
    exclude: ["descriptors.binpb"]),
  .target(
    name: "TestProtos", dependencies: ["Protobuf", "RPC", "RPCProtos", "CTestProtos"], path: "Tests/TestProtos",
    exclude: ["protos"], swiftSettings: swiftSettings),
  tests("HTTP2Tests", ["HTTP2", "HandoffTestKit"]),
  tests("CryptoTests", ["Crypto"]),
  tests("RPCTests", ["RPC", "EventLoop", "Crypto", "HTTP2", "RPCProtos"]),
  // Drives rpc-echo, and the two ends of the interoperability tests, from Python.
  tests(
    "WireTests", ["rpc-echo", "rpc-interop-server", "rpc-interop-client", "ClusterTestKit", "HandoffTestKit"],
    exclude: ["Server", "conformance.py", "hostile.py", "raw_peer.py", "tls_test.py", "wire_test.py"]),
  // Drives both against grpcio and gRPC C++.
  tests(
    "InteropTests", ["rpc-interop-server", "rpc-interop-client", "ClusterTestKit", "Crypto", "HandoffTestKit"],
    exclude: ["Server", "Client", "peers"]),
  tests(
    "FuzzTests", ["RPC", "EventLoop", "HandoffAPI", "Protobuf", "HandoffTestKit", "Gateway", "MessageJSON"]),
  tests("PostgresTests", ["Postgres", "EventLoop", "HandoffTestKit"]),
  tests(
    "ServiceKitTests",
    ["ServiceKit", "CAssets", "Crypto", "EventLoop", "RPC", "RPCProtos", "servicekit-daemon"],
    exclude: ["Snapshots", "Daemon"]),
  // A daemon without a service, whose life the tests of ServiceKit watch from outside.
  .executableTarget(
    name: "servicekit-daemon", dependencies: ["ServiceKit", "RPC", "EventLoop"], path: "Tests/ServiceKitTests/Daemon",
    swiftSettings: swiftSettings),
  tests("OutboundTests", ["Outbound", "EventLoop", "HandoffTestKit"]),
  tests(
    "TicketLedgerTests",
    [
      "TicketLedger", "Postgres", "EventLoop", "ServiceKit", "Crypto", "HandoffAPI", "Protobuf", "LedgerTestKit",
      "HandoffTestKit",
    ],
    exclude: ["Snapshots"]),
  // The services that tickets calls run beside it: they are real, as everywhere in these tests.
  tests(
    "TicketsTests",
    [
      "Tickets", "Assignment", "Mail", "Masking", "TicketLedger", "HandoffAPI", "HandoffTestKit", "ServiceKit",
      "Postgres", "RPC",
      "RPCProtos", "Protobuf", "EventLoop", "Crypto", "Outbound",
    ]),
  tests(
    "AssignmentTests",
    [
      "Assignment", "Mail", "Masking", "Outbound", "LedgerTestKit", "HandoffTestKit", "HandoffAPI", "TicketLedger",
      "ServiceKit", "Postgres", "RPC", "RPCProtos", "Protobuf", "EventLoop", "Crypto",
    ]),
  tests(
    "GatewayTests",
    [
      "Gateway", "MessageJSON", "LedgerTestKit", "HandoffTestKit", "HandoffAPI", "ServiceKit", "Postgres", "RPC",
      "RPCProtos", "Protobuf", "EventLoop",
    ],
    exclude: ["json_peer.py"]),
  tests(
    "MaskingTests",
    [
      "Masking", "PersonalData", "LedgerTestKit", "HandoffTestKit", "HandoffAPI", "TicketLedger", "ServiceKit",
      "Postgres", "RPC", "EventLoop", "Crypto",
    ]),
  tests("PersonalDataTests", ["PersonalData", "HandoffTestKit"]),
  tests(
    "MailTests",
    [
      "Mail", "Masking", "Tickets", "HandoffTestKit", "HandoffAPI", "TicketLedger", "ServiceKit", "Postgres", "RPC",
      "Protobuf", "Outbound", "EventLoop", "Crypto",
    ],
    exclude: ["corpus.py", "Snapshots"]),
  tests(
    "OperatorTests",
    ["Operator", "HandoffTestKit", "TicketLedger", "ServiceKit", "Postgres", "Crypto", "EventLoop", "RPC"]),
  // Runs the executables beside it; depends on none, so that it tests what was built and not what it links.
  tests("ClusterTests", ["ClusterTestKit", "HandoffTestKit"], exclude: ["clients"]),
  // The long proofs; a short run of each is part of every test run.
  tests("ProofTests", ["ClusterTestKit", "HandoffTestKit"], exclude: ["clients"]),
  tests("TidyTests", []),
  // A cluster of the built executables, and the stock clients that are run against it.
  .target(
    name: "ClusterTestKit", dependencies: ["HandoffTestKit"], path: "Tests/ClusterTestKit",
    swiftSettings: swiftSettings),
  // A small contact center in a database of its own, for the tests of the services.
  .target(
    name: "LedgerTestKit",
    dependencies: ["TicketLedger", "HandoffTestKit", "ServiceKit", "Postgres", "RPC", "EventLoop", "Crypto"],
    path: "Tests/LedgerTestKit", swiftSettings: swiftSettings),
  .target(
    name: "HandoffTestKit", dependencies: ["Postgres", "EventLoop", "CAssets", "ServiceKit"], path: "Tests/Support",
    exclude: ["dovecot.sh", "https_receiver.py", "lying_imap.py", "smtp_server.py"],
    swiftSettings: swiftSettings),
]

let package = Package(
  name: "handoff",
  targets: fences + foundations + services + executables + testTargets
)

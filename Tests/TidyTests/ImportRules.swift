extension Rule {
  static let services: Set<String> = ["Tickets", "Assignment", "Mail", "Masking", "Gateway"]

  /// The only targets that may import each C library.
  static let fences: [String: Set<String>] = [
    "CNghttp2": ["HTTP2"],
    "CProtobufC": ["Protobuf", "HandoffAPI", "RPCProtos", "protoc-gen-handoff", "ProtobufTests"],
    "CHandoffProtos": ["HandoffAPI", "RPCProtos", "protoc-gen-handoff"],
    "CDescriptorProtos": ["protoc-gen-handoff"],
    "CLibpq": ["Postgres"],
    "COpenSSL": ["Crypto"],
    "CZlib": ["RPC"],
    "CCurl": ["Outbound"],
    "CGMime": ["Mail"],
    "CMicrohttpd": ["ServiceKit"],
    "CEventLoop": ["EventLoop"],
    "CAssets": ["ServiceKit", "ServiceKitTests", "Support"],
  ]

  // The two ends of a connection, and what listens and connects. All else in RPC works on bytes.
  private static let socketFiles: Set<String> = [
    "Sources/RPC/Core/Connection.swift", "Sources/RPC/Client/Connector.swift",
    "Sources/RPC/Server/HTTP2/ServerLoop.swift", "Sources/RPC/Server/RPCServer.swift",
  ]

  static let imports: [Rule] = [
    Rule("a service never imports another service") { file in
      guard file.path.hasPrefix("Sources/"), !file.target.hasPrefix("handoff") else { return [] }
      return file.imports.filter { services.contains($0.module) && $0.module != file.target }
        .map { Finding(line: $0.line, text: "imports the service \($0.module)") }
    },
    Rule("an executable imports no service but its own") { file in
      guard file.path.hasPrefix("Sources/handoff") else { return [] }
      return file.imports.filter { services.contains($0.module) && "handoff-\($0.module.lowercased())" != file.target }
        .map { Finding(line: $0.line, text: "imports the service \($0.module)") }
    },
    Rule("each C library is imported by its fence only") { file in
      file.imports.compactMap { line, module in
        guard let allowed = fences[module], !allowed.contains(file.target) else { return nil }
        return Finding(line: line, text: "\(module) belongs to \(allowed.sorted().joined(separator: ", "))")
      }
    },
    Rule("files under Rules/ import nothing") { file in
      guard file.path.hasPrefix("Sources/"), file.path.contains("/Rules/") else { return [] }
      return file.imports.map { Finding(line: $0.line, text: "imports \($0.module)") }
    },
    Rule("HTTP2 imports libnghttp2 and nothing else") { file in
      guard file.target == "HTTP2" else { return [] }
      return file.imports.filter { $0.module != "CNghttp2" }
        .map { Finding(line: $0.line, text: "imports \($0.module)") }
    },
    .aboutCode(
      "the framing of RPC never touches a socket", in: .target("RPC", except: socketFiles)
    ) {
      _, _, line in
      SwiftCode.contains(line, word: "Socket") || SwiftCode.contains(line, word: "import Glibc") ? "uses sockets" : nil
    },
  ]
}

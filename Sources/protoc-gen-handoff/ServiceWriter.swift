/// Writes the provider protocol and the client of a service.
struct ServiceWriter {
  private let service: ProtoService
  private let methods: [MethodCode]

  private struct MethodCode {
    let proto: ProtoService.Method
    let name: String
    let input: String
    let output: String
  }

  init(_ service: ProtoService, _ types: TypeIndex) throws {
    self.service = service
    methods = try service.methods.map {
      MethodCode(
        proto: $0, name: SwiftName.method($0.name), input: try types.swiftType($0.input),
        output: try types.swiftType($0.output))
    }
  }

  func write(_ writer: inout SourceWriter) {
    writeProvider(&writer)
    writer.line()
    writeRegistration(&writer)
    writer.line()
    writeClient(&writer)
  }

  private func writeProvider(_ writer: inout SourceWriter) {
    writer.doc(service.comment, fallback: "The service `\(service.fullName)`.")
    writer.block("package protocol \(service.name)Provider: Sendable") { writer in
      for (index, method) in methods.enumerated() {
        if index > 0 { writer.line() }
        writer.doc(method.proto.comment, fallback: "Serves `\(method.proto.name)`.")
        writer.list("func \(method.name)(", serverParameters(method), ") async throws\(serverResult(method))")
      }
    }
  }

  private func serverParameters(_ method: MethodCode) -> [String] {
    let request =
      method.proto.clientStreaming ? "_ requests: RequestStream<\(method.input)>" : "_ request: \(method.input)"
    let responses = method.proto.serverStreaming ? ["_ responses: ResponseWriter<\(method.output)>"] : []
    return [request] + responses + ["_ call: CallContext"]
  }

  private func serverResult(_ method: MethodCode) -> String {
    method.proto.serverStreaming ? "" : " -> \(method.output)"
  }

  private func writeRegistration(_ writer: inout SourceWriter) {
    writer.block("extension \(service.name)Provider") { writer in
      writer.line("/// The service as a server takes it: its name and a handler a method.")
      writer.block("package var rpcService: RPCService") { writer in
        writer.line("RPCService(")
        writer.indented { writer in
          writer.line("name: \"\(service.fullName)\",")
          writer.line("methods: [")
          writer.indented { writer in
            for method in methods { writeHandler(method, &writer) }
          }
          writer.line("])")
        }
      }
    }
  }

  private func writeHandler(_ method: MethodCode, _ writer: inout SourceWriter) {
    let kind: String
    let arguments: String
    switch (method.proto.clientStreaming, method.proto.serverStreaming) {
    case (false, false): (kind, arguments) = ("unary", "$0, $1")
    case (false, true): (kind, arguments) = ("serverStreaming", "$0, $1, $2")
    case (true, false): (kind, arguments) = ("clientStreaming", "$0, $1")
    case (true, true): (kind, arguments) = ("bidirectional", "$0, $1, $2")
    }
    let flag = method.proto.isInternal ? ", isInternal: true" : ""
    let head = ".\(kind)(\"\(method.proto.name)\", \(method.input).self, \(method.output).self\(flag))"
    writer.line("\(head) {")
    writer.indented { $0.line("try await self.\(method.name)(\(arguments))") }
    writer.line("},")
  }

  private func writeClient(_ writer: inout SourceWriter) {
    writer.line("/// Calls `\(service.fullName)`.")
    writer.block("package struct \(service.name)Client: Sendable") { writer in
      writer.line("private let channel: any RPCTransport")
      writer.line()
      writer.line("/// Sends every call through `channel`.")
      writer.block("package init(_ channel: any RPCTransport)") { $0.line("self.channel = channel") }
      for method in methods {
        writer.line()
        writer.doc(method.proto.comment, fallback: "Calls `\(method.proto.name)`.")
        writeClientMethod(method, &writer)
      }
    }
  }

  private func writeClientMethod(_ method: MethodCode, _ writer: inout SourceWriter) {
    let path = "\"/\(service.fullName)/\(method.proto.name)\""
    let call: String
    var parameters = ["_ options: CallOptions"]
    var result = " -> \(method.output)"
    switch (method.proto.clientStreaming, method.proto.serverStreaming) {
    case (false, false):
      parameters.insert("_ request: \(method.input)", at: 0)
      call = "unary(\(path), request, options)"
    case (false, true):
      parameters.insert("_ request: \(method.input)", at: 0)
      result = " -> ResponseStream<\(method.output)>"
      call = "serverStreaming(\(path), request, options)"
    case (true, false):
      parameters.append(requestsParameter(method))
      call = "clientStreaming(\(path), options, requests)"
    case (true, true):
      parameters.append(requestsParameter(method))
      result = " -> ResponseStream<\(method.output)>"
      call = "bidirectional(\(path), options, requests)"
    }
    writer.list("package func \(method.name)(", parameters, ") async throws\(result) {")
    writer.indented { $0.line("try await channel.\(call)") }
    writer.line("}")
  }

  private func requestsParameter(_ method: MethodCode) -> String {
    "_ requests: @escaping @Sendable (RequestWriter<\(method.input)>) async throws -> Void"
  }
}

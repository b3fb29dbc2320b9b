package import Protobuf
package import RPCProtos

/// `grpc.reflection.v1.ServerReflection`, and the same under its older name `v1alpha`: tells clients which services
/// there are and what their messages look like, so that they need no proto files.
package struct ReflectionService: ServerReflectionProvider {
  private let services: [String]
  private let files: DescriptorFiles

  private static let names = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]

  /// Lists `services`, by their full names, and reflection itself; answers from `files`, which should declare them all.
  package init(services: [String], files: DescriptorFiles) {
    self.services = (services + Self.names).sorted()
    self.files = files
  }

  /// The service under both of its names.
  package var rpcServices: [RPCService] {
    Self.names.map { RPCService(name: $0, methods: rpcService.methods) }
  }

  /// Answers each request with one response, in order. Files that went out earlier on the same stream are not sent
  /// again as imports of another.
  package func serverReflectionInfo(
    _ requests: RequestStream<ServerReflectionRequest>, _ responses: ResponseWriter<ServerReflectionResponse>,
    _ call: CallContext
  ) async throws {
    var sent: Set<String> = []
    for try await request in requests {
      try await responses.send(
        ServerReflectionResponse(
          validHost: request.host, originalRequest: request, messageResponse: answer(request, &sent)))
    }
  }

  private func answer(
    _ request: ServerReflectionRequest, _ sent: inout Set<String>
  ) -> ServerReflectionResponse.MessageResponse {
    switch request.messageRequest {
    case .fileByFilename(let name): content(files.file(named: name), "file \(name)", &sent)
    case .fileContainingSymbol(let symbol): content(files.file(declaring: symbol), "symbol \(symbol)", &sent)
    case .fileContainingExtension(let wanted):
      content(
        files.file(extending: wanted.containingType, number: wanted.extensionNumber),
        "extension \(wanted.extensionNumber) of \(wanted.containingType)", &sent)
    case .allExtensionNumbersOfType(let message):
      if let numbers = files.extensionNumbers(of: message) {
        .allExtensionNumbersResponse(ExtensionNumberResponse(baseTypeName: message, extensionNumber: numbers))
      } else {
        refusal(.notFound, "no message \(message)")
      }
    case .listServices:
      .listServicesResponse(ListServiceResponse(service: services.map { ServiceResponse(name: $0) }))
    case nil: refusal(.invalidArgument, "the request asks nothing that this server knows")
    }
  }

  private func content(
    _ file: DescriptorFiles.File?, _ what: String, _ sent: inout Set<String>
  ) -> ServerReflectionResponse.MessageResponse {
    guard let file else { return refusal(.notFound, "no \(what)") }
    let news = files.closure(of: file).filter { sent.insert($0.name).inserted || $0.name == file.name }
    return .fileDescriptorResponse(FileDescriptorResponse(fileDescriptorProto: news.map(\.serialized)))
  }

  private func refusal(_ code: StatusCode, _ text: String) -> ServerReflectionResponse.MessageResponse {
    .errorResponse(ErrorResponse(errorCode: code.rawValue, errorMessage: text))
  }
}

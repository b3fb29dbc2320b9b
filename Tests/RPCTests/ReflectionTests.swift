import EventLoop
import RPCProtos
import Testing

@testable import RPC

@Suite("The reflection service", .timeLimit(.minutes(1)))
struct ReflectionTests {
  static let listed = ["grpc.health.v1.Health", "handoff.tickets.v1.TicketService"]

  /// Asks over one stream and returns the answers.
  static func ask(
    _ questions: [ServerReflectionRequest.MessageRequest?], service: String = "grpc.reflection.v1.ServerReflection"
  ) async throws -> [ServerReflectionResponse] {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let reflection = ReflectionService(services: listed, files: ProtoFiles.all)
    let transport = InProcessTransport(group: group, services: reflection.rpcServices)
    let stream: ResponseStream<ServerReflectionResponse> = try await transport.bidirectional(
      "/\(service)/ServerReflectionInfo", soon
    ) { (writer: RequestWriter<ServerReflectionRequest>) in
      for question in questions {
        try await writer.send(ServerReflectionRequest(host: "here", messageRequest: question))
      }
    }
    var answers: [ServerReflectionResponse] = []
    for try await answer in stream { answers.append(answer) }
    return answers
  }

  static func names(_ answer: ServerReflectionResponse) -> [String] {
    guard case .fileDescriptorResponse(let files) = answer.messageResponse else { return [] }
    return files.fileDescriptorProto.map { file in
      // The name is the first field; its length is one byte, as names are short.
      String(decoding: file.dropFirst(2).prefix(Int(file[1])), as: UTF8.self)
    }
  }

  @Test("lists the services it was told of and itself, under both of its names")
  func list() async throws {
    for service in ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"] {
      let answer = try #require(try await Self.ask([.listServices("")], service: service).first)
      #expect(answer.validHost == "here")
      #expect(answer.originalRequest?.messageRequest == .listServices(""))
      guard case .listServicesResponse(let list) = answer.messageResponse else {
        Issue.record("\(answer)")
        return
      }
      #expect(
        list.service.map(\.name) == [
          "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
          "handoff.tickets.v1.TicketService",
        ])
    }
  }

  @Test("gives the file of a name, of a symbol and of an extension, with its imports, each import once")
  func files() async throws {
    let answers = try await Self.ask([
      .fileContainingSymbol("handoff.tickets.v1.TicketService.CreateTicket"),
      .fileByFilename("handoff/tickets/v1/ticket.proto"),
      .fileContainingExtension(
        ExtensionRequest(containingType: "google.protobuf.MethodOptions", extensionNumber: 50001)),
      .fileContainingSymbol("grpc.reflection.v1alpha.ServerReflection"),
    ])
    let first = Self.names(answers[0])
    #expect(first.first == "handoff/tickets/v1/tickets.proto")
    #expect(first.contains("google/protobuf/timestamp.proto"))
    #expect(Set(first).count == first.count)
    #expect(Self.names(answers[1]) == ["handoff/tickets/v1/ticket.proto"])
    #expect(Self.names(answers[2]).first == "handoff/type/v1/options.proto")
    #expect(Self.names(answers[3]) == ["grpc/reflection/v1alpha/reflection.proto"])
  }

  @Test("knows the extensions of a message")
  func extensions() async throws {
    let answers = try await Self.ask([
      .allExtensionNumbersOfType("google.protobuf.MethodOptions"),
      .allExtensionNumbersOfType("handoff.tickets.v1.Ticket"),
    ])
    #expect(
      answers.map(\.messageResponse) == [
        .allExtensionNumbersResponse(
          ExtensionNumberResponse(baseTypeName: "google.protobuf.MethodOptions", extensionNumber: [50001])),
        .allExtensionNumbersResponse(ExtensionNumberResponse(baseTypeName: "handoff.tickets.v1.Ticket")),
      ])
  }

  @Test("says NOT_FOUND of what it does not know, and goes on")
  func unknown() async throws {
    let answers = try await Self.ask([
      .fileByFilename("no.proto"), .fileContainingSymbol("no.Symbol"),
      .fileContainingExtension(ExtensionRequest(containingType: "google.protobuf.MethodOptions", extensionNumber: 7)),
      .allExtensionNumbersOfType("no.Message"), nil,
    ])
    let codes = answers.map { answer in
      if case .errorResponse(let error) = answer.messageResponse { error.errorCode } else { Int32(0) }
    }
    #expect(codes == [5, 5, 5, 5, 3])
  }
}

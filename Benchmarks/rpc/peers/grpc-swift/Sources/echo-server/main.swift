import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import GRPCProtobuf

struct Echo: Handoff_Test_V1_EchoService.SimpleServiceProtocol {
  func echo(request: Handoff_Test_V1_EchoRequest, context: ServerContext) async throws -> Handoff_Test_V1_EchoResponse {
    .with { $0.text = request.text }
  }
}

// Without this limit the transport takes 100 streams of a connection and ends the connection at the next one.
let transport = HTTP2ServerTransport.Posix(
  address: .ipv4(host: "127.0.0.1", port: 0), transportSecurity: .plaintext,
  config: .defaults { $0.http2.maxConcurrentStreams = 1000 })
let server = GRPCServer(transport: transport, services: [Echo()])
try await withThrowingTaskGroup(of: Void.self) { group in
  group.addTask { try await server.serve() }
  print(try await server.listeningAddress?.ipv4?.port ?? 0)
  fflush(nil)
  try await group.waitForAll()
}

import EventLoop
import Foundation
import RPC
import Testing

@testable import ServiceKit

@Suite("what is counted and logged of calls")
struct CallMetricsTests {
  struct Broken: Error {}

  func outcome(_ status: StatusCode, http: Int? = nil, error: (any Error)? = nil) -> CallOutcome {
    CallOutcome(
      status: status, httpStatus: http, error: error, nanoseconds: 2_000_000, bytesReceived: 10, bytesSent: 20)
  }

  @Test("calls are counted by method and code, and a path that nobody offers makes no label")
  func counts() {
    let metrics = Metrics()
    let service = RPCService(
      name: "handoff.tickets.v1.TicketService", methods: [.raw("GetTicket") { request, _ in request }])
    let interceptor = CallMetrics(metrics, services: [service])
    let known = CallerTests.call([], handlerID: service.methods[0].id)
    interceptor.finished(known, outcome(.ok))
    interceptor.finished(known, outcome(.notFound))
    interceptor.finished(CallerTests.call([], "\"}\n", "Evil"), outcome(.unimplemented))
    interceptor.finished(CallerTests.call([], "BREW"), outcome(.ok, http: 418))
    let lines = Set(metrics.exposition().split(separator: "\n").map(String.init))
    let name = "grpc_service=\"handoff.tickets.v1.TicketService\",grpc_method=\"GetTicket\""
    let expected = [
      "grpc_server_handled_total{\(name),grpc_code=\"OK\"} 1",
      "grpc_server_handled_total{\(name),grpc_code=\"NOT_FOUND\"} 1",
      "grpc_server_handled_total{grpc_service=\"unknown\",grpc_method=\"unknown\",grpc_code=\"UNIMPLEMENTED\"} 1",
      "grpc_server_handling_seconds_bucket{\(name),le=\"0.001\"} 0",
      "grpc_server_handling_seconds_bucket{\(name),le=\"0.0025\"} 2",
      "http_server_requests_total{method=\"other\",status=\"418\"} 1",
    ]
    for line in expected { #expect(lines.contains(line), "\(line) is not in \(lines.sorted())") }
  }

  @Test("an internal failure is logged with its cause, and a query string is not logged")
  func logs() throws {
    let pipe = Pipe()
    let output = LogOutput(file: pipe.fileHandleForWriting.fileDescriptor)
    let log = CallLog(Logger(service: "x", level: .info, output: output))
    let call = CallerTests.call([("x-request-id", "r-1"), (CallMetadata.agent, "7")])
    log.finished(call, outcome(.internal, error: ServiceError(.internal, cause: Broken())))
    call.caller = "gateway"
    log.finished(call, outcome(.notFound, error: ServiceError(.ticketNotFound)))
    let http = CallContext(
      service: "", method: "GET", path: "/v1/tickets?search=secret", metadata: Metadata(), deadline: .never, peer: "p")
    log.finished(http, outcome(.ok, http: 200))
    let lines = String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self).split(separator: "\n")
    try #require(lines.count == 3)
    let common = "\"request_id\":\"r-1\",\"rpc\":\"/handoff.tickets.v1.TicketService/GetTicket\""
    #expect(lines[0].contains("\"level\":\"error\"") && lines[0].contains(common))
    #expect(lines[0].contains("\"reason\":\"INTERNAL\"") && lines[0].contains("\"cause\":\"Broken()\""))
    #expect(!lines[0].contains("\"agent\""), "nobody vouched for the agent")
    #expect(lines[1].contains("\"level\":\"info\"") && lines[1].contains("\"caller\":\"gateway\",\"agent\":\"7\""))
    #expect(lines[2].contains("\"path\":\"/v1/tickets\",\"status\":200") && !lines[2].contains("secret"))
  }
}

import Crypto
import EventLoop
import RPC
import Testing

@testable import ServiceKit

@Suite("callers and actors")
struct CallerTests {
  static func call(
    _ metadata: [(String, String)], _ method: String = "GetTicket", _ service: String = "TicketService",
    handlerID: Int = -1, from caller: String? = nil
  ) -> CallContext {
    CallContext(
      service: service, method: method, path: "/handoff.tickets.v1.\(service)/\(method)", handlerID: handlerID,
      metadata: Metadata(metadata), deadline: .never, peer: "in-process",
      certificate: caller.map { PeerCertificate(names: [CertifiedName.of($0)]) })
  }

  @Test(
    "the allow-list says who may call what",
    arguments: [
      ("gateway", "GetTicket", "TicketService", nil), ("mail", "CreateTicket", "TicketService", nil),
      ("mail", "GetTicket", "TicketService", .callerNotAllowed),
      ("masking", "GetTicket", "TicketService", .callerNotAllowed),
      ("gateway", "Get", "OtherService", .callerNotAllowed), (nil, "GetTicket", "TicketService", .callerUnknown),
    ] as [(String?, String, String, Reason?)])
  func admission(caller: String?, method: String, service: String, refusal: Reason?) throws {
    let authenticator = CallerAuthenticator(
      rules: [
        CallerRule("TicketService", callers: ["gateway"]),
        CallerRule("TicketService", ["CreateTicket", "AppendInquiry"], callers: ["mail"]),
      ])
    let call = Self.call([], method, service, from: caller)
    if let refusal {
      let error = try #require(throws: ServiceError.self) { try authenticator.admit(call) }
      #expect(error.reason == refusal)
    } else {
      try authenticator.admit(call)
      #expect(call.caller == caller)
    }
  }

  @Test("health checks need no proof")
  func health() throws {
    let call = CallContext(
      service: "Health", method: "Check", path: "/grpc.health.v1.Health/Check", metadata: Metadata(), deadline: .never,
      peer: "unix")
    try CallerAuthenticator(rules: []).admit(call)
    #expect(call.caller == nil)
  }

  @Test(
    "an agent is believed from the gateway only",
    arguments: [
      ("gateway", "42", .agent(AgentID(42)), nil), ("operator", "42", nil, .callerNotAllowed),
      ("gateway", nil, .service("gateway"), nil), ("mail", nil, .service("mail"), nil),
      ("mail", "42", nil, .callerNotAllowed), ("gateway", "4x", nil, .requestInvalid),
      ("gateway", "-1", nil, .requestInvalid), (nil, "42", nil, .callerUnknown),
    ] as [(String?, String?, CallActor?, Reason?)])
  func actors(caller: String?, agent: String?, actor: CallActor?, refusal: Reason?) throws {
    let call = Self.call(agent.map { [(CallMetadata.agent, $0)] } ?? [])
    call.caller = caller
    if let refusal {
      let error = try #require(throws: ServiceError.self) { try call.actor() }
      #expect(error.reason == refusal)
    } else {
      #expect(try call.actor() == actor)
    }
  }

  @Test("what only agents do is refused to services")
  func agentOnly() throws {
    let call = Self.call([])
    call.caller = "mail"
    #expect(throws: ServiceError.self) { try call.agent() }
    var options = CallOptions(deadline: .never)
    options.speak(for: AgentID(7))
    options.speak(for: AgentID(8))
    #expect(options.metadata.values(CallMetadata.agent) == ["8"])
  }
}

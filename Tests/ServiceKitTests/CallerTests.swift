import Crypto
import EventLoop
import RPC
import Testing

@testable import ServiceKit

@Suite("callers and actors")
struct CallerTests {
  static let token = String(repeating: "0123456789abcdef", count: 4)
  static let other = String(repeating: "fedcba9876543210", count: 4)

  static func tokens(_ text: String) throws -> CallerTokens { try CallerTokens(Secret(Array(text.utf8))) }

  static func call(
    _ metadata: [(String, String)], _ method: String = "GetTicket", _ service: String = "TicketService",
    handlerID: Int = -1
  ) -> CallContext {
    CallContext(
      service: service, method: method, path: "/handoff.tickets.v1.\(service)/\(method)", handlerID: handlerID,
      metadata: Metadata(metadata), deadline: .never, peer: "in-process")
  }

  static func proof(_ caller: String, _ token: String = token) -> [(String, String)] {
    [(CallMetadata.caller, caller), (CallMetadata.callerToken, token)]
  }

  @Test(
    "a token file is one shared token or lines of names and tokens or digests",
    arguments: [
      ("\(token)", "gateway", token, true), ("\(token)\n", "anyone-else", token, true),
      ("\(token)", "gateway", other, false), ("\(token)", "Gate way", token, false),
      ("# keys\n\ngateway \(token)\n", "gateway", token, true), ("gateway \(token)", "mail", token, false),
      ("gateway \(token)", "gateway", other, false),
      ("mail \(other)\ngateway sha256:\(Hex.encode(SHA256.hash(token)))", "gateway", token, true),
      ("mail \(other)\ngateway sha256:\(Hex.encode(SHA256.hash(token)))", "gateway", other, false),
      ("mail \(other)\ngateway sha256:\(Hex.encode(SHA256.hash(token)))", "mail", other, true),
    ])
  func accepts(file: String, caller: String, token: String, accepted: Bool) throws {
    #expect(try Self.tokens(file).accepts(caller, token: token) == accepted)
  }

  @Test(
    "a malformed token file is refused without repeating it",
    arguments: [
      ("", "holds no caller token; write one into it"),
      ("short", "holds caller tokens; line 1 has a token of fewer than 32 plain characters"),
      ("\(token)\n\(token)", "holds caller tokens; line 2 is neither the file's only token nor \"name token\""),
      ("a \(token)\na \(token)", "holds caller tokens; line 2 repeats a name, or the name is not of a-z, 0-9 and -"),
      ("a sha256:abcd", "holds caller tokens; line 1 has sha256: without 64 hexadecimal digits"),
    ])
  func refusesFile(file: String, problem: String) {
    #expect(throws: ConfigProblem(problem)) { try Self.tokens(file) }
  }

  @Test("a process proves its name with its own token, and cannot with a digest")
  func credentials() throws {
    let tokens = try Self.tokens("gateway \(Self.token)\nmail sha256:\(Hex.encode(SHA256.hash(Self.other)))")
    #expect(try tokens.credentials(for: "gateway") == Metadata(Self.proof("gateway")))
    for name in ["mail", "tickets"] {
      #expect(throws: ConfigProblem.self) { try tokens.credentials(for: name) }
    }
  }

  @Test(
    "the allow-list says who may call what",
    arguments: [
      (proof("gateway"), "GetTicket", "TicketService", nil), (proof("mail"), "CreateTicket", "TicketService", nil),
      (proof("mail"), "GetTicket", "TicketService", .callerNotAllowed),
      (proof("masking"), "GetTicket", "TicketService", .callerNotAllowed),
      (proof("gateway"), "Get", "OtherService", .callerNotAllowed),
      (proof("gateway", other), "GetTicket", "TicketService", .callerUnknown),
      ([(CallMetadata.caller, "gateway")], "GetTicket", "TicketService", .callerUnknown),
      ([], "GetTicket", "TicketService", .callerUnknown),
    ] as [([(String, String)], String, String, Reason?)])
  func admission(metadata: [(String, String)], method: String, service: String, refusal: Reason?) throws {
    let authenticator = CallerAuthenticator(
      tokens: try Self.tokens(Self.token),
      rules: [
        CallerRule("TicketService", callers: ["gateway"]),
        CallerRule("TicketService", ["CreateTicket", "AppendInquiry"], callers: ["mail"]),
      ])
    let call = Self.call(metadata, method, service)
    if let refusal {
      let error = try #require(throws: ServiceError.self) { try authenticator.admit(call) }
      #expect(error.reason == refusal)
    } else {
      try authenticator.admit(call)
      #expect(call.caller == metadata[0].1)
    }
  }

  @Test("health checks need no proof")
  func health() throws {
    let call = CallContext(
      service: "Health", method: "Check", path: "/grpc.health.v1.Health/Check", metadata: Metadata(), deadline: .never,
      peer: "unix")
    try CallerAuthenticator(tokens: try Self.tokens(Self.token), rules: []).admit(call)
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

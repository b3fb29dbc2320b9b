import Crypto
import EventLoop
import HandoffAPI
import HandoffTestKit
import LedgerTestKit
import Postgres
import Protobuf
import ServiceKit
import Testing

@testable import Gateway

@Suite("Live streams at the gateway")
struct LiveStreamTests {
  private func event(_ update: WatchTicketsResponse.Update) throws -> String {
    let service = try #require(HandoffAPI.services.first { $0.fullName == "handoff.gateway.v1.HandoffService" })
    let method = try #require(service.methods.first { $0.name == "WatchTickets" })
    let bytes = try WatchTicketsResponse(update: update).serialized()
    return String(decoding: try HTTPGateway.serverSentEvent(bytes, JSONMethod(method)), as: UTF8.self)
  }

  @Test("a change is an event with its id and the message as one line of JSON")
  func change() throws {
    let change = LiveChange(
      id: "17-4", name: "services/care/tickets/42", version: 3,
      events: [Event(sequence: 5, code: "COMMENTED")], ticket: Ticket(name: "services/care/tickets/42", title: "a\nb"))
    #expect(
      try event(.change(change)) == """
        id: 17-4
        event: change
        data: {"change":{"id":"17-4","name":"services/care/tickets/42","version":"3",\
        "events":[{"sequence":5,"code":"COMMENTED"}],\
        "ticket":{"name":"services/care/tickets/42","title":"a\\nb"}}}


        """)
  }

  @Test("counters have no id, and a heartbeat has nothing else")
  func others() throws {
    #expect(
      try event(.counters(Counters(agentCount: 2)))
        == "event: counters\ndata: {\"counters\":{\"agentCount\":\"2\"}}\n\n")
    #expect(try event(.heartbeat(Heartbeat(id: "17-9"))) == ": heartbeat\nid: 17-9\n\n")
  }

  @Test("a stream ends with its session, with its agent, and with the gateway; others go on")
  func ends() async throws {
    let desk = try await Desk.open()
    let pool = desk.database.pool
    _ = try await pool.query(
      """
      INSERT INTO session (token_hash, agent_id, expire_time) VALUES (sha256('a'), 1, now() + interval '1 hour'),
        (sha256('b'), 2, now() + interval '1 hour'), (sha256('c'), 3, now() + interval '1 hour')
      """, deadline: desk.deadline)
    let streams = OpenStreams(store: SessionStore(pool: pool))
    let opened = try ["a", "b", "c"].map { try streams.open(tokenHash: SHA256.hash($0)) }
    #expect(streams.count == 3)
    try await streams.endWithoutSession(deadline: desk.deadline)
    _ = try await pool.query("DELETE FROM session WHERE agent_id = 1", deadline: desk.deadline)
    _ = try await pool.query("UPDATE agent SET is_active = false WHERE id = 2", deadline: desk.deadline)
    try await streams.endWithoutSession(deadline: desk.deadline)
    func reason(_ index: Int) async -> Reason? {
      do {
        try await opened[index].next()
        return nil
      } catch {
        return (error as? ServiceError)?.reason
      }
    }
    #expect(await reason(0) == .sessionExpired)
    #expect(await reason(1) == .sessionExpired)
    streams.close(opened[0])
    streams.shutDown()
    #expect(await reason(2) == .backendUnavailable)
    #expect(throws: ServiceError.self) { try streams.open(tokenHash: []) }
    for stream in opened { streams.close(stream) }
    #expect(streams.count == 0)
  }
}

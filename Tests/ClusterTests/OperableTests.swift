import ClusterTestKit
import Foundation
import HandoffTestKit
import Testing

extension ClusterTests {
  @Suite("an operator")
  struct Operable {
    @Test("sees rates, errors and latencies of each method, the pools, the outbox, the triggers' lag and the vault")
    func metrics() async throws {
      let cluster = try await TestCluster.shared()
      let demo = try await cluster.handoff("demo")
      #expect(demo.code == 0, "\(demo.output)")
      // Of which daemon, how it begins, and the least that it must be after the demo.
      let rows: [(String, String, Double)] = [
        ("tickets", #"grpc_server_handled_total{grpc_service="handoff.tickets.v1.TicketService","#, 1),
        ("tickets", #"grpc_server_handling_seconds_count{grpc_service="handoff.tickets.v1.TicketService","#, 1),
        ("gateway", #"http_server_requests_total{method="POST",status="200"}"#, 1),
        ("gateway", #"http_server_request_seconds_count{method="POST"}"#, 1),
        ("tickets", "handoff_database_connections_open", 1), ("tickets", "handoff_database_connections_in_use", 0),
        ("tickets", "handoff_database_callers_waiting", 0), ("tickets", "handoff_database_wait_seconds_total", 0),
        ("tickets", "handoff_database_queries_total", 1),
        ("tickets", #"handoff_outbox_waiting{topic="MAIL"}"#, 0),
        ("tickets", #"handoff_outbox_overdue_seconds{topic="TRIGGERS"}"#, 0),
        ("tickets", #"handoff_outbox_dead{topic="MAIL"}"#, 0),
        ("assignment", "handoff_trigger_lag_seconds_count", 1), ("masking", "handoff_vault_failures_total", 0),
      ]
      for (daemon, beginning, least) in rows {
        let text = try await Self.scrape(daemon, cluster)
        let values = text.split(separator: "\n").filter { $0.hasPrefix(beginning) }
          .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }
        #expect(!values.isEmpty && values.reduce(0, +) >= least, "\(daemon) \(beginning): \(values)")
      }
      // The demo forwards a ticket twice; the second time its version is old.
      let assignment = try await Self.scrape("assignment", cluster)
      #expect(assignment.contains(#"grpc_method="ForwardTicket",grpc_code="ABORTED"}"#), "\(assignment)")
      #expect(assignment.contains(#"grpc_method="ForwardTicket",le=""#), "\(assignment)")
    }

    private static func scrape(_ daemon: String, _ cluster: TestCluster) async throws -> String {
      try await run("/usr/bin/curl", ["-sS", "--fail", "\(cluster.address("\(daemon)-admin"))/metrics"]).output
    }
  }
}

import EventLoop
import Foundation
import FoundationNetworking
import Synchronization
import Testing

@testable import ServiceKit

@Suite("the admin port")
struct AdminServerTests {
  final class Switch: Sendable {
    let isReady = Atomic<Bool>(false)
  }

  func fetch(_ server: AdminServer, _ path: String, method: String = "GET") async throws -> (HTTPURLResponse, String) {
    let address = try #require(server.addresses.first)
    var request = URLRequest(url: try #require(URL(string: "http://\(address)\(path)")))
    request.httpMethod = method
    let (data, response) = try await URLSession.shared.data(for: request)
    return (try #require(response as? HTTPURLResponse), String(decoding: data, as: UTF8.self))
  }

  @Test("metrics, liveness and readiness are served over HTTP/1.1")
  func serves() async throws {
    let metrics = Metrics()
    metrics.counter("calls_total", "Calls.").with().add(7)
    let pool = Switch()
    let server = try AdminServer(
      listen: [.ipv4(0x7f00_0001, port: 0)], metrics: metrics,
      probes: {
        [
          ReadinessProbe("database") { pool.isReady.load(ordering: .relaxed) ? nil : "not connected yet" },
          ReadinessProbe("service") { nil },
        ]
      })
    defer { server.stop() }

    let (scraped, text) = try await fetch(server, "/metrics")
    #expect(scraped.statusCode == 200)
    #expect(scraped.value(forHTTPHeaderField: "Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
    #expect(text == "# HELP calls_total Calls.\n# TYPE calls_total counter\ncalls_total 7\n")

    let rows = [
      ("/livez", "GET", 200, "alive\n"), ("/readyz", "GET", 503, "database: not connected yet\n"),
      ("/", "GET", 404, "see /metrics, /livez and /readyz\n"), ("/livez", "POST", 405, "only GET and HEAD\n"),
      ("/livez", "HEAD", 200, ""),
    ]
    for (path, method, status, body) in rows {
      let (response, text) = try await fetch(server, path, method: method)
      #expect(response.statusCode == status)
      #expect(text == body)
    }
    pool.isReady.store(true, ordering: .relaxed)
    #expect(try await fetch(server, "/readyz").0.statusCode == 200)
  }

  @Test("an address in use is an error that names the call")
  func inUse() throws {
    let server = try AdminServer(listen: [.ipv4(0x7f00_0001, port: 0)], metrics: Metrics(), probes: { [] })
    defer { server.stop() }
    #expect(throws: SocketError.self) {
      try AdminServer(listen: server.addresses, metrics: Metrics(), probes: { [] })
    }
  }
}

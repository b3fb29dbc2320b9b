package import RPC
import Synchronization

/// Counts and times every call under the names that gRPC dashboards know.
///
/// The instruments of the methods offered are made ahead; a call finds them without a lock.
package final class CallMetrics: ServerInterceptor {
  private struct Method: Sendable {
    let ok: Counter
    let seconds: Histogram
  }

  /// Instruments of an HTTP method, as most requests need them; made with the first one, since most daemons have none.
  private final class HTTPMethod: Sendable {
    let name: String
    let ok = AtomicLazyReference<Counter>()
    let seconds = AtomicLazyReference<Histogram>()

    init(_ name: String) { self.name = name }
  }

  private let handled: Metric<Counter>
  private let handlingSeconds: Metric<Histogram>
  private let httpRequests: Metric<Counter>
  private let httpSeconds: Metric<Histogram>
  /// By the id of the handler, less the first one's.
  private let methods: [Method?]
  private let firstID: Int
  /// What is not among them is counted as `other`, the last one.
  private let httpMethods = ["GET", "POST", "PATCH", "DELETE", "HEAD", "PUT", "OPTIONS", "other"].map(HTTPMethod.init)

  /// Declares the metrics in `metrics`, with an instrument for each method of `services`.
  package init(_ metrics: Metrics, services: [RPCService]) {
    let handled = metrics.counter(
      "grpc_server_handled_total", "Calls that have ended, whether answered or refused.",
      labels: ["grpc_service", "grpc_method", "grpc_code"])
    let handlingSeconds = metrics.histogram(
      "grpc_server_handling_seconds", "Time from the request's headers to the answer's hand-over.",
      labels: ["grpc_service", "grpc_method"])
    let ids = services.flatMap { $0.methods.map(\.id) }
    let firstID = ids.min() ?? 0
    var methods = [Method?](repeating: nil, count: (ids.max() ?? -1) - firstID + 1)
    for service in services {
      for method in service.methods {
        methods[method.id - firstID] = Method(
          ok: handled.with(service.name, method.name, StatusCode.ok.name),
          seconds: handlingSeconds.with(service.name, method.name))
      }
    }
    self.firstID = firstID
    self.handled = handled
    self.handlingSeconds = handlingSeconds
    self.methods = methods
    httpRequests = metrics.counter(
      "http_server_requests_total", "Plain HTTP requests that have ended.", labels: ["method", "status"])
    httpSeconds = metrics.histogram(
      "http_server_request_seconds", "Time from the request's headers to the answer's hand-over.", labels: ["method"])
  }

  /// Counts the call and its duration; unknown paths and methods share one label, so outsiders cannot make new ones.
  package func finished(_ call: CallContext, _ outcome: CallOutcome) {
    if let status = outcome.httpStatus { return finished(httpMethod: call.method, status, outcome) }
    let index = call.target.handlerID - firstID
    guard methods.indices.contains(index), let method = methods[index] else {
      // A path that nobody offers: its text comes from outside and makes no label.
      handled.with("unknown", "unknown", outcome.status.name).add()
      return
    }
    method.seconds.observe(outcome.nanoseconds)
    if outcome.status == .ok {
      method.ok.add()
    } else {
      let parts = call.path.split(separator: "/")
      handled.with(String(parts[0]), String(parts[1]), outcome.status.name).add()
    }
  }

  private func finished(httpMethod name: String, _ status: Int, _ outcome: CallOutcome) {
    let method = httpMethods.first { $0.name == name } ?? httpMethods[httpMethods.count - 1]
    let seconds = method.seconds.load() ?? method.seconds.storeIfNil(httpSeconds.with(method.name))
    seconds.observe(outcome.nanoseconds)
    guard status == 200 else { return httpRequests.with(method.name, String(status)).add() }
    (method.ok.load() ?? method.ok.storeIfNil(httpRequests.with(method.name, "200"))).add()
  }
}

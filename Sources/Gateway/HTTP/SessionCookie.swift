import Crypto
import HandoffAPI
import Protobuf
import RPC
import ServiceKit

/// The session of a page in a browser: a cookie that no script reads and no other site sends, and beside it a text that
/// only the page itself can know, which goes with every request that is not a GET.
enum SessionCookie {
  /// What an HTTP request shows.
  struct Credential {
    /// As in the field `authorization`; nil when there is nothing.
    let authorization: String?
    /// The token, when it came in the cookie.
    let cookieToken: String?
  }

  private static let csrfField = "x-csrf-token"

  /// Finds the credential of a request: the field `authorization`, or else the cookie.
  ///
  /// - Throws: CSRF_TOKEN_INVALID when a request that may change something shows nothing but the cookie.
  static func credential(_ exchange: HTTPExchange, _ route: Route) throws(ServiceError) -> Credential {
    if let field = exchange.request.header("authorization") {
      return Credential(authorization: field, cookieToken: nil)
    }
    guard route.needsSession, let cookies = exchange.request.header("cookie"),
      let token = Cookies.value(of: name(isSecure: isSecure(exchange.call)), in: cookies)
    else { return Credential(authorization: nil, cookieToken: nil) }
    if route.verb != .get {
      guard let proof = exchange.request.header(csrfField), constantTimeEqual(proof, csrfToken(of: token)) else {
        throw ServiceError(.csrfTokenInvalid)
      }
    }
    return Credential(authorization: "Bearer \(token)", cookieToken: token)
  }

  /// What an answer becomes for a page: the token of a new session leaves as a cookie, an ended one takes it away, and
  /// a GET tells the page its CSRF token, which a page that was loaded anew does not know.
  static func answer(
    _ response: [UInt8], to request: [UInt8], _ route: Route, _ credential: Credential, _ exchange: HTTPExchange
  ) throws -> (message: [UInt8], fields: [(name: String, value: String)]) {
    let isSecure = isSecure(exchange.call)
    if route.method == "SignIn" {
      guard try SignInRequest(serialized: request).cookie else { return (response, []) }
      var session = try Session(serialized: response)
      let (token, csrf) = (session.token, csrfToken(of: session.token))
      session.token = ""
      session.csrfToken = csrf
      return (try session.serialized(), [("set-cookie", cookie(token, isSecure: isSecure))])
    }
    guard let token = credential.cookieToken else { return (response, []) }
    if route.method == "SignOut" { return (response, [("set-cookie", cookie("", isSecure: isSecure) + "; Max-Age=0")]) }
    return (response, route.verb == .get ? [(csrfField, csrfToken(of: token))] : [])
  }

  /// A cookie with the prefix is bound to this host and to TLS (RFC 6265bis §4.1.3.2).
  private static func name(isSecure: Bool) -> String { isSecure ? "__Host-handoff" : "handoff" }

  /// It ends with the browser; the session itself ends by the database's clock.
  private static func cookie(_ token: String, isSecure: Bool) -> String {
    "\(name(isSecure: isSecure))=\(token); Path=/; HttpOnly; SameSite=Strict" + (isSecure ? "; Secure" : "")
  }

  /// Follows from the session's token, which nobody can find out from it.
  private static func csrfToken(of token: String) -> String { Base64URL.encode(SHA256.hash("csrf:" + token)) }

  private static func isSecure(_ call: CallContext) -> Bool {
    EdgeProof.isSecure(process: call.certificate?.process, forwardedProto: call.metadata["x-forwarded-proto"])
  }
}

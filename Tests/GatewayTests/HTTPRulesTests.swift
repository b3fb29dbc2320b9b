import Gateway
import Testing

@Suite("The rules of the HTTP face")
struct HTTPRulesTests {
  @Test(
    "gzip is sent to those who take it",
    arguments: [
      ("gzip", true), ("x-gzip", true), ("GZIP", true), ("deflate, gzip;q=0.5, br", true), ("*", true),
      ("gzip;q=0", false), ("gzip; q=0.000", false), ("gzip;q=0, *", false), ("*;q=0", false), ("identity", false),
      ("", false), ("br", false), ("gzip2", false), (",;,", false), ("gzip;q=0.001", true),
    ])
  func codings(field: String, isTaken: Bool) {
    #expect(ContentCodings.acceptsGzip(field) == isTaken)
  }

  @Test("a tag names one version, as an answer gave it")
  func tags() {
    #expect(EntityTag.text(version: 7) == "\"7\"")
    #expect(EntityTag.condition("\"7\"") == .version(7))
    #expect(EntityTag.condition("*") == .any)
    for text in [
      "", "7", "\"\"", "\"x\"", "W/\"7\"", "\"7\", \"8\"", "\"0\"", "\"-1\"", "\"9223372036854775808\"", "\"",
    ] {
      #expect(EntityTag.condition(text) == nil, "\(text)")
    }
  }

  @Test("links lead to the next page and back to the first, with everything else as it was")
  func links() throws {
    let path = try #require(RequestPath("/v1/services/%EC%83%81%EB%8B%B4/tickets"))
    let query = [("menu", "ALL"), ("pageToken", "a b&<>\"\r\n"), ("pageSize", "2")].map { (name: $0.0, value: $0.1) }
    let base = "</v1/services/%EC%83%81%EB%8B%B4/tickets?menu=ALL&pageSize=2"
    #expect(
      PageLinks.field(path, query, nextPageToken: "x=\"\r\n>")
        == "\(base)&pageToken=x%3D%22%0D%0A%3E>; rel=\"next\", \(base)>; rel=\"first\"")
    #expect(PageLinks.field(path, [query[0]], nextPageToken: "") == nil)
    let verb = try #require(RequestPath("/v1/services/care/things:list"))
    #expect(
      PageLinks.field(verb, [], nextPageToken: "t") == "</v1/services/care/things:list?pageToken=t>; rel=\"next\"")
  }

  @Test("an origin is a scheme and a host, and nothing else")
  func origins() {
    for text in ["https://desk.example.com", "http://localhost:3000", "http://[::1]:8080"] {
      #expect(CrossOriginPolicy.isOrigin(text), "\(text)")
    }
    for text in [
      "", "*", "null", "desk.example.com", "https://", "https://a/b", "https://a b", "ftp://a", "https://A.example",
    ] {
      #expect(!CrossOriginPolicy.isOrigin(text), "\(text)")
    }
  }

  @Test("pages of the origins that are named may call, others are told nothing")
  func crossOrigin() {
    let policy = CrossOriginPolicy(origins: ["https://desk.example.com"])
    func names(_ fields: [(name: String, value: String)]) -> [String] { fields.map(\.name) }
    #expect(
      names(policy.fields(for: "https://desk.example.com"))
        == [
          "access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers", "vary",
        ])
    #expect(names(policy.fields(for: "https://evil.example.com")) == ["vary"])
    #expect(names(policy.fields(for: nil)) == ["vary"])
    #expect(policy.preflight(for: "https://evil.example.com", verbs: ["GET"]).isEmpty)
    #expect(policy.preflight(for: "https://desk.example.com", verbs: ["GET", "PATCH"]).first?.value == "GET, PATCH")
    #expect(CrossOriginPolicy(origins: []).fields(for: "https://desk.example.com").isEmpty)
  }
}

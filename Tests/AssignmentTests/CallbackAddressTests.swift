import HandoffAPI
import LedgerTestKit
import ServiceKit
import Testing
import TicketLedger

@testable import Assignment

@Suite("Where callbacks may go")
struct CallbackAddressTests {
  /// URLs that no trigger may have, and what the refusal says.
  static let forbidden: [(String, String)] = [
    ("http://example.com/", "must be an https URL"), ("ftp://example.com/", "must be an https URL"),
    ("https://user@example.com/", "must be an https URL"), ("https://u:p@example.com/", "must be an https URL"),
    ("https://example.com/#x", "must be an https URL"),
    ("example.com", "must be an https URL"), ("https://example.com:0/", "must be an https URL"),
    ("https://example.com/\n", "must be an https URL"), ("https://예시.kr/", "must be an https URL"),
    ("https://example.com/" + String(repeating: "x", count: 2000), "must be an https URL"),
    ("https://127.0.0.1/", "loopback"), ("https://127.1/", "loopback"), ("https://2130706433/", "loopback"),
    ("https://0x7f000001/", "loopback"), ("https://[::1]/", "loopback"), ("https://[::]/", "unspecified"),
    ("https://0.0.0.0/", "this network"), ("https://10.0.0.1/", "private"), ("https://172.31.0.1/", "private"),
    ("https://192.168.1.1/", "private"), ("https://169.254.169.254/latest", "metadata"),
    ("https://100.100.100.200/", "shared by carriers"), ("https://168.63.129.16/", "metadata"),
    ("https://224.0.0.1/", "multicast"), ("https://255.255.255.255/", "broadcast"),
    ("https://[::ffff:10.0.0.1]/", "IPv4-mapped"), ("https://[64:ff9b::7f00:1]/", "NAT64"),
    ("https://[fd00:ec2::254]/", "unique local"), ("https://[fe80::1]/", "link-local"),
    ("https://[ff02::1]/", "multicast"), ("https://[2002:7f00:1::]/", "6to4"),
    ("https://[2001::1]/", "Teredo"),
    ("https:///x", "local networks"), ("https://localhost/", "local networks"),
    ("https://LOCALHOST./", "local networks"),
    ("https://intranet/", "local networks"), ("https://db.internal/", "local networks"),
    ("https://printer.local/", "local networks"), ("https://nas.home.arpa/", "local networks"),
  ]

  @Test("a trigger that would call a forbidden address is refused with its path")
  func forbiddenURLs() async throws {
    let desk = try CallbackOffice(desk: try await Desk.open(), rules: CallbackRules(), vault: try TestVault())
    let unsigned = await refusal { try await desk.office.trigger([.isNew], .call("https://example.com/hook")) }
    #expect(unsigned?.violations.first?.description.contains("no secret yet") == true)
    _ = try await desk.newSecret()
    for (url, words) in Self.forbidden {
      let error = await refusal { try await desk.office.trigger([.isNew], .priority(.high), .call(url)) }
      let violation = error?.violations.first
      #expect(error?.reason == .requestInvalid && violation?.field == "trigger.results[1].callback.url", "\(url)")
      #expect(violation?.description.contains(words) == true, "\(url): \(violation?.description ?? "")")
    }
    for url in ["https://example.com/hook", "https://8.8.8.8:8443/", "https://[2606:4700::1111]/a?b"] {
      try await desk.office.trigger([.isNew], .call(url))
    }
  }
}

import Gateway
import Testing

@Suite("Where a sign-in comes from")
struct EdgeProofTests {
  @Test(
    "is what the edge says, and nobody else's word",
    arguments: [
      ("127.0.0.1:50312", "edge", "203.0.113.9", "203.0.113.9"),
      ("10.0.0.7:50312", "edge", "203.0.113.9", "203.0.113.9"),
      // What comes before the last entry is the client's invention.
      ("127.0.0.1:50312", "edge", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
      ("127.0.0.1:50312", "edge", nil, "127.0.0.1"),
      ("127.0.0.1:50312", "edge", " ", "127.0.0.1"),
      // A client on the same machine that shows no certificate, or another one.
      ("127.0.0.1:50312", nil, "203.0.113.9", "127.0.0.1"),
      ("[::1]:50312", nil, "203.0.113.9", "[::1]"),
      ("unix", nil, "203.0.113.9", "unix"),
      ("10.0.0.7:50312", "tickets", "203.0.113.9", "10.0.0.7"),
    ] as [(String, String?, String?, String)])
  func clientAddress(peer: String, process: String?, forwardedFor: String?, address: String) {
    #expect(EdgeProof.clientAddress(peer: peer, process: process, forwardedFor: forwardedFor) == address)
  }
}

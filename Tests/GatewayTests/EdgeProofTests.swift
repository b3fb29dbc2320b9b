import Gateway
import Testing

@Suite("Where a sign-in comes from")
struct EdgeProofTests {
  @Test(
    "is what the edge says, and nobody else's word",
    arguments: [
      (EdgeProof.certificate, "127.0.0.1:50312", "edge", "203.0.113.9", "203.0.113.9"),
      (.certificate, "10.0.0.7:50312", "edge", "203.0.113.9", "203.0.113.9"),
      // What comes before the last entry is the client's invention.
      (.certificate, "127.0.0.1:50312", "edge", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
      (.certificate, "127.0.0.1:50312", "edge", nil, "127.0.0.1"),
      (.certificate, "127.0.0.1:50312", "edge", " ", "127.0.0.1"),
      // A client on the same machine that shows no certificate, or another one.
      (.certificate, "127.0.0.1:50312", nil, "203.0.113.9", "127.0.0.1"),
      (.certificate, "[::1]:50312", nil, "203.0.113.9", "[::1]"),
      (.certificate, "unix", nil, "203.0.113.9", "unix"),
      (.certificate, "10.0.0.7:50312", "tickets", "203.0.113.9", "10.0.0.7"),
      (.sameMachine, "127.0.0.1:50312", nil, "203.0.113.9", "203.0.113.9"),
      (.sameMachine, "[::1]:50312", nil, "203.0.113.9", "203.0.113.9"),
      (.sameMachine, "unix", nil, "203.0.113.9", "203.0.113.9"),
      (.sameMachine, "10.0.0.7:50312", nil, "203.0.113.9", "10.0.0.7"),
    ] as [(EdgeProof, String, String?, String?, String)])
  func clientAddress(
    proof: EdgeProof, peer: String, process: String?, forwardedFor: String?, address: String
  ) {
    #expect(proof.clientAddress(peer: peer, process: process, forwardedFor: forwardedFor) == address)
  }
}

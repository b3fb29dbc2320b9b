import Crypto
import Testing

@Suite("Bytes as text")
struct EncodingTests {
  @Test(
    "base64 gives the values of RFC 4648",
    arguments: [
      ("", "", ""), ("f", "Zg==", "Zg"), ("fo", "Zm8=", "Zm8"), ("foo", "Zm9v", "Zm9v"), ("foob", "Zm9vYg==", "Zm9vYg"),
      ("fooba", "Zm9vYmE=", "Zm9vYmE"), ("foobar", "Zm9vYmFy", "Zm9vYmFy"),
    ])
  func base64(text: String, padded: String, unpadded: String) {
    let bytes = Array(text.utf8)
    #expect(Base64.encode(bytes) == padded)
    #expect(Base64.encode(bytes, padded: false) == unpadded)
    #expect(Base64URL.encode(bytes) == unpadded)
    for form in [padded, unpadded] {
      #expect(Base64.decode(form) == bytes)
      #expect(Base64URL.decode(form) == bytes)
    }
  }

  @Test(
    "what is not base64 is refused",
    arguments: ["A", "AAAAA", "Zg=", "Z===", "Zg===", "=", "====", "Zm 9v", "Zm9v\n", "Zh==", "Zm9=", "Zm9v=", "é==="])
  func malformed(text: String) {
    #expect(Base64.decode(text) == nil)
  }

  @Test("the two alphabets differ in two characters")
  func alphabets() {
    #expect(Base64.encode([0xfb, 0xff]) == "+/8=" && Base64URL.encode([0xfb, 0xff]) == "-_8")
    #expect(Base64.decode("-_8") == nil && Base64URL.decode("+/8") == nil)
  }

  @Test("every byte survives both ways", arguments: 0..<70)
  func roundTrip(count: Int) {
    let bytes = SecureRandom.bytes(count)
    #expect(Base64.decode(Base64.encode(bytes)) == bytes)
    #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
    #expect(Hex.decode(Hex.encode(bytes)) == bytes)
  }

  @Test("hex takes either case and nothing else")
  func hex() {
    #expect(Hex.encode([0x00, 0xaB, 0xff]) == "00abff")
    #expect(Hex.decode("00ABff") == [0x00, 0xab, 0xff])
    for text in ["0", "0g", "0x", " 0", "000"] { #expect(Hex.decode(text) == nil) }
  }
}

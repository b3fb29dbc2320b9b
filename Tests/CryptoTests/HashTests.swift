import Crypto
import Testing

@Suite("Hashes and codes")
struct HashTests {
  @Test(
    "SHA-256 gives the values of FIPS 180",
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
    ])
  func sha256(text: String, hash: String) {
    #expect(Hex.encode(SHA256.hash(text)) == hash)
    var pieces = SHA256()
    for byte in text.utf8 { pieces.update([byte]) }
    #expect(Hex.encode(pieces.finish()) == hash)
  }

  @Test(
    "HMAC-SHA-256 gives the values of RFC 4231",
    arguments: [
      (
        [UInt8](repeating: 0x0b, count: 20), Array("Hi There".utf8),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
      ),
      (
        Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
      ),
      (
        [UInt8](repeating: 0xaa, count: 20), [UInt8](repeating: 0xdd, count: 50),
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
      ),
      (
        [UInt8](repeating: 0xaa, count: 131), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
      ),
      ([], [], "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
    ] as [([UInt8], [UInt8], String)])
  func hmac(key: [UInt8], message: [UInt8], code: String) {
    let hmac = HMACSHA256(key: key)
    for _ in 0..<2 { #expect(Hex.encode(hmac.authenticate(message)) == code) }
    var pieces = hmac.begin()
    for byte in message { pieces.update([byte]) }
    #expect(Hex.encode(pieces.finish()) == code)
  }

  @Test("a code holds for its message and key only")
  func validity() {
    let hmac = HMACSHA256(key: SecretBytes.random(32))
    let code = hmac.authenticate([1, 2, 3])
    #expect(hmac.isValid(code, for: [1, 2, 3]))
    #expect(!hmac.isValid(code, for: [1, 2]))
    #expect(!hmac.isValid(Array(code.dropLast()), for: [1, 2, 3]))
    #expect(!hmac.isValid([], for: [1, 2, 3]))
    #expect(!HMACSHA256(key: SecretBytes.random(32)).isValid(code, for: [1, 2, 3]))
  }

  @Test("equality in constant time is equality")
  func equality() {
    #expect(constantTimeEqual([], []))
    #expect(constantTimeEqual([1, 2], [1, 2]))
    #expect(!constantTimeEqual([1, 2], [1, 3]))
    #expect(!constantTimeEqual([1, 2], [1]))
    #expect(constantTimeEqual("token", "token") && !constantTimeEqual("token", "tokeN"))
  }

  @Test("random bytes have the length asked for and differ")
  func random() {
    #expect(SecureRandom.bytes(0).isEmpty)
    #expect(SecureRandom.bytes(33).count == 33)
    #expect(SecureRandom.bytes(16) != SecureRandom.bytes(16))
  }

  @Test("wiped bytes are gone")
  func wiping() {
    var secret: [UInt8] = [1, 2, 3]
    wipe(&secret)
    #expect(secret.isEmpty)
  }
}

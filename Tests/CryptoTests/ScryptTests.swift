import Crypto
import Testing

@Suite("Password hashing")
struct ScryptTests {
  static let cheap = Scrypt.Parameters(cost: 16, blockSize: 1, parallelization: 1)

  @Test(
    "scrypt gives the values of RFC 7914",
    arguments: [
      (
        "", "", cheap,
        """
        77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442\
        fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906
        """
      ),
      (
        "password", "NaCl", Scrypt.Parameters(cost: 1024, blockSize: 8, parallelization: 16),
        """
        fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162\
        2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640
        """
      ),
      (
        "pleaseletmein", "SodiumChloride", Scrypt.Parameters(cost: 16384, blockSize: 8, parallelization: 1),
        """
        7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2\
        d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887
        """
      ),
    ])
  func vectors(password: String, salt: String, parameters: Scrypt.Parameters, key: String) throws {
    let derived = try Scrypt.derive(
      Array(password.utf8), salt: Array(salt.utf8), parameters: parameters, byteCount: 64)
    #expect(Hex.encode(derived) == key)
  }

  @Test("a password is known again, another one is not", arguments: ["", "secret", "비밀번호 🔑"])
  func verification(password: String) throws {
    let encoded = try Scrypt.hash(password, parameters: Self.cheap)
    #expect(encoded.hasPrefix("scrypt$16$1$1$"))
    #expect(try Scrypt.verify(password, against: encoded))
    #expect(try !Scrypt.verify(password + " ", against: encoded))
    #expect(try Scrypt.hash(password, parameters: Self.cheap) != encoded)
  }

  @Test("new passwords cost what they should")
  func standard() throws {
    let encoded = try Scrypt.hash("secret")
    #expect(encoded.hasPrefix("scrypt$32768$8$1$"))
    #expect(try Scrypt.verify("secret", against: encoded))
    #expect(try !Scrypt.isOutdated(encoded))
    #expect(try Scrypt.isOutdated(Scrypt.hash("secret", parameters: Self.cheap)))
  }

  @Test(
    "a hash of another form, or one that would cost too much, is refused",
    arguments: [
      "", "secret", "scrypt$16$1$1$AAAAAAAAAAAAAAAAAAAAAA",
      "bcrypt$16$1$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
      "scrypt$17$1$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
      "scrypt$0$1$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
      "scrypt$-16$1$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
      "scrypt$9223372036854775807$1$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
      "scrypt$1048576$32$1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
      "scrypt$16$1$99$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
      "scrypt$16$1$1$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "scrypt$16$1$1$AAAAAAAAAAAAAAAAAAAAAA$",
      "scrypt$16$1$1$AAAAAAAAAAAAAAAAAAAAA!$AAAAAAAAAAAAAAAAAAAAAA",
    ])
  func malformed(encoded: String) {
    #expect(throws: CryptoError.self) { try Scrypt.verify("secret", against: encoded) }
  }
}

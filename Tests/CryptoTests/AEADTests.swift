import Crypto
import Testing

/// One case of the GCM specification's AES-256 vectors (McGrew and Viega, cases 13 to 16).
struct GCMVector: Sendable {
  var key: String
  var nonce: String
  var plaintext: String
  var associatedData = ""
  var ciphertext: String
  var tag: String

  var sealed: [UInt8] { bytes(nonce) + bytes(ciphertext) + bytes(tag) }

  private static let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
  private static let plaintext = """
    d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657\
    ba637b39
    """
  private static let ciphertext = """
    522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a\
    bcc9f662
    """

  static let all = [
    GCMVector(
      key: String(repeating: "00", count: 32), nonce: String(repeating: "00", count: 12), plaintext: "",
      ciphertext: "", tag: "530f8afbc74536b9a963b4f1c4cb738b"),
    GCMVector(
      key: String(repeating: "00", count: 32), nonce: String(repeating: "00", count: 12),
      plaintext: String(repeating: "00", count: 16), ciphertext: "cea7403d4d606b6e074ec5d3baf39d18",
      tag: "d0d1c8a799996bf0265b98b5d48ab919"),
    GCMVector(
      key: key, nonce: "cafebabefacedbaddecaf888", plaintext: plaintext + "1aafd255",
      ciphertext: ciphertext + "898015ad", tag: "b094dac5d93471bdec1a502270e3cc6c"),
    GCMVector(
      key: key, nonce: "cafebabefacedbaddecaf888", plaintext: plaintext,
      associatedData: "feedfacedeadbeeffeedfacedeadbeefabaddad2", ciphertext: ciphertext,
      tag: "76fc6ece0f4e1768cddf8853bb2d551b"),
  ]
}

func bytes(_ hex: String) -> [UInt8] { Hex.decode(hex) ?? [] }

@Suite("AES-256-GCM")
struct AEADTests {
  @Test("the vectors of the specification open", arguments: GCMVector.all)
  func vectors(vector: GCMVector) throws {
    let key = try AEADKey(bytes: bytes(vector.key))
    let opened = try key.open(vector.sealed, associatedData: bytes(vector.associatedData))
    #expect(opened == bytes(vector.plaintext))
  }

  @Test("what was sealed opens", arguments: [0, 1, 15, 16, 17, 1000, 100_000], [0, 1, 300])
  func roundTrip(plaintextBytes: Int, associatedBytes: Int) throws {
    let key = try AEADKey(SecretBytes.random(32))
    let plaintext = SecureRandom.bytes(plaintextBytes)
    let associated = SecureRandom.bytes(associatedBytes)
    let sealed = try key.seal(plaintext, associatedData: associated)
    #expect(sealed.count == plaintextBytes + AEADKey.overheadBytes)
    #expect(try key.open(sealed, associatedData: associated) == plaintext)
  }

  @Test("no two seals of one text are alike")
  func freshNonces() throws {
    let key = try AEADKey(SecretBytes.random(32))
    var nonces: Set<[UInt8]> = []
    for _ in 0..<1000 { nonces.insert(Array(try key.seal([1, 2, 3]).prefix(12))) }
    #expect(nonces.count == 1000)
  }

  @Test("a single changed bit anywhere is found")
  func tamperedBits() throws {
    let vector = GCMVector.all[3]
    let key = try AEADKey(bytes: bytes(vector.key))
    for index in 0..<vector.sealed.count * 8 {
      var sealed = vector.sealed
      sealed[index / 8] ^= 1 << (index % 8)
      #expect(throws: CryptoError.authenticationFailed) {
        try key.open(sealed, associatedData: bytes(vector.associatedData))
      }
    }
  }

  @Test(
    "other associated data, another length or another key do not open",
    arguments: [
      ("feedfacedeadbeeffeedfacedeadbeefabaddad3", 0, false), ("", 0, false),
      ("feedfacedeadbeeffeedfacedeadbeefabaddad200", 0, false), ("feedfacedeadbeeffeedfacedeadbeefabaddad2", 1, false),
      ("feedfacedeadbeeffeedfacedeadbeefabaddad2", 60, false), ("feedfacedeadbeeffeedfacedeadbeefabaddad2", 87, false),
      ("feedfacedeadbeeffeedfacedeadbeefabaddad2", 88, false), ("feedfacedeadbeeffeedfacedeadbeefabaddad2", 0, true),
    ])
  func tamperedContext(associatedData: String, bytesCut: Int, otherKey: Bool) throws {
    let vector = GCMVector.all[3]
    let key = try AEADKey(bytes: otherKey ? SecureRandom.bytes(32) : bytes(vector.key))
    #expect(throws: CryptoError.authenticationFailed) {
      try key.open(vector.sealed.dropLast(bytesCut), associatedData: bytes(associatedData))
    }
  }

  @Test("a key of a wrong length is refused", arguments: [0, 16, 24, 31, 33])
  func keyLength(count: Int) {
    #expect(throws: CryptoError.invalidArgument("an AES-256 key has 32 bytes")) {
      try AEADKey(bytes: [UInt8](repeating: 1, count: count))
    }
  }
}

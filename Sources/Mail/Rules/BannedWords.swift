/// A banned word in a text.
package struct BannedWordMatch: Equatable, Sendable {
  /// The word, as the service lists it.
  package let word: String
  /// First scalar in the text, from 0.
  package let start: Int
  /// Number of scalars, zero-width ones inside the word included.
  package let length: Int
}

/// Finds any of thousands of words in one pass over a text (Aho and Corasick, 1975).
///
/// Case, width and normalization make no difference, nor do characters of no width between the letters. A word is found
/// inside longer words, but never in part of a letter: `가` is not found in `각`.
package struct BannedWords: Sendable {
  /// Matches reported for one text; a text that has more is no better understood with all of them.
  package static let matchesMax = 100

  // The trie and its links, as flat arrays by state; state 0 is the root.
  private var words: [String] = []
  private var lengths: [Int] = []
  private var symbols: [Character: UInt32] = [:]
  private var edges: [UInt64: UInt32] = [:]
  private var fallback: [UInt32] = [0]
  /// The word that ends in a state, or -1.
  private var ending: [Int32] = [-1]
  /// The next state on the fallback chain in which a word ends, or 0.
  private var shorter: [UInt32] = [0]

  /// Prepares the words. Words of nothing but zero-width characters are left out.
  package init(_ list: some Sequence<String>) {
    var children: [[(symbol: UInt32, state: UInt32)]] = [[]]
    for word in list {
      let letters = FoldedText(word).letters
      guard !letters.isEmpty else { continue }
      insert(word, letters, &children)
    }
    link(children)
  }

  /// Whether there is nothing to look for.
  package var isEmpty: Bool { words.isEmpty }

  /// Finds every occurrence of every word, in the order of their ends, at most ``matchesMax``.
  package func matches(in text: String) -> [BannedWordMatch] {
    guard !words.isEmpty else { return [] }
    let folded = FoldedText(text)
    var found: [BannedWordMatch] = []
    var state: UInt32 = 0
    for (position, letter) in folded.letters.enumerated() {
      state = symbols[letter].map { next(state, $0) } ?? 0
      var end = ending[Int(state)] >= 0 ? state : shorter[Int(state)]
      while end != 0 {
        let word = Int(ending[Int(end)])
        let start = folded.starts[position + 1 - lengths[word]]
        found.append(BannedWordMatch(word: words[word], start: start, length: folded.ends[position] - start))
        if found.count == Self.matchesMax { return found }
        end = shorter[Int(end)]
      }
    }
    return found
  }

  private func next(_ state: UInt32, _ symbol: UInt32) -> UInt32 {
    var state = state
    while true {
      if let target = edges[Self.edge(state, symbol)] { return target }
      if state == 0 { return 0 }
      state = fallback[Int(state)]
    }
  }

  private mutating func insert(
    _ word: String, _ letters: [Character], _ children: inout [[(symbol: UInt32, state: UInt32)]]
  ) {
    var state: UInt32 = 0
    for letter in letters {
      let symbol = symbols[letter] ?? UInt32(symbols.count)
      symbols[letter] = symbol
      if let target = edges[Self.edge(state, symbol)] {
        state = target
      } else {
        let target = UInt32(ending.count)
        edges[Self.edge(state, symbol)] = target
        children[Int(state)].append((symbol, target))
        children.append([])
        ending.append(-1)
        state = target
      }
    }
    // Two spellings of one word: the first listed names it.
    guard ending[Int(state)] < 0 else { return }
    ending[Int(state)] = Int32(words.count)
    words.append(word)
    lengths.append(letters.count)
  }

  /// Walks the trie by breadth, so that the fallback of every shorter prefix is known before it is needed.
  private mutating func link(_ children: [[(symbol: UInt32, state: UInt32)]]) {
    fallback = Array(repeating: 0, count: ending.count)
    shorter = fallback
    var queue: [UInt32] = children[0].map(\.state)
    var head = 0
    while head < queue.count {
      let state = queue[head]
      head += 1
      for (symbol, child) in children[Int(state)] {
        let target = next(fallback[Int(state)], symbol)
        fallback[Int(child)] = target
        shorter[Int(child)] = ending[Int(target)] >= 0 ? target : shorter[Int(target)]
        queue.append(child)
      }
    }
  }

  private static func edge(_ state: UInt32, _ symbol: UInt32) -> UInt64 { UInt64(state) << 32 | UInt64(symbol) }
}

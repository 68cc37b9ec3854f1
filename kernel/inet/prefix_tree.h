// A tree of address prefixes: finds the longest one that covers an address.
//
// Lives here:  PrefixTree, header only.
// Called by:   route.cc.
// Owns:        its nodes and the values in them.
// Invariants:  1. A node's prefix covers those of both children, and child[b] goes on with bit b.
//              2. A node without a value has two children (it is a fork), the root excepted.
// Cost:        a look-up visits at most as many nodes as there are nested prefixes and forks on the
//              way.
// Source:      the path-compressed binary trie; BSD's sys/net/radix.c serves the same end.
#ifndef SOCKBED_KERNEL_INET_PREFIX_TREE_H_
#define SOCKBED_KERNEL_INET_PREFIX_TREE_H_

#include <algorithm>
#include <bit>
#include <memory>

#include "kernel/sim/kassert.h"

namespace sockbed {

// Key: an unsigned integer, most significant bit first. Value: a pointer; null is "no value".
template <typename Key, typename Value>
class PrefixTree {
 public:
  static constexpr int kBits = static_cast<int>(sizeof(Key) * 8);

  // The value at exactly that prefix, or null.
  Value Find(Key key, int length) const {
    const Node* node = &root_;
    while (node != nullptr && node->length < length && Covers(*node, key)) {
      node = node->child[Bit(key, node->length)].get();
    }
    return node != nullptr && node->length == length && node->key == key ? node->value : Value{};
  }

  // Sets the value at a prefix; null removes it. REQUIRES: key has no bits beyond length.
  void Set(Key key, int length, Value value) {
    KASSERT(key == Head(key, length));
    if (value != Value{}) {
      NodeAt(key, length)->value = value;
    } else {
      Erase(&root_, key, length);
    }
  }

  // The value of the longest prefix that covers `key` and which `accept` takes, or null.
  template <typename Accept>
  Value Match(Key key, Accept accept) const {
    Value best{};
    const Node* node = &root_;
    while (node != nullptr && Covers(*node, key)) {
      if (node->value != Value{} && accept(node->value)) best = node->value;
      if (node->length == kBits) break;
      node = node->child[Bit(key, node->length)].get();
    }
    return best;
  }

  // Calls visit(value) for all values: by address, and shorter prefixes before those they cover.
  template <typename Visit>
  void ForEach(Visit visit) const {
    Walk(root_, visit);
  }

 private:
  struct Node {
    Key key = 0;
    int length = 0;
    Value value{};
    std::unique_ptr<Node> child[2];
  };

  static Key Head(Key key, int length) {
    return length == 0 ? Key{0} : key & static_cast<Key>(~Key{0} << (kBits - length));
  }
  static int Bit(Key key, int i) { return static_cast<int>(key >> (kBits - 1 - i)) & 1; }
  static bool Covers(const Node& node, Key key) { return Head(key, node.length) == node.key; }
  // Leading bits that two keys share, at most `limit`.
  static int Common(Key a, Key b, int limit) {
    int n = 0;
    while (n < limit && Bit(a, n) == Bit(b, n)) ++n;
    return n;
  }

  // Finds or makes the node of a prefix, with a fork where it leaves another's way.
  Node* NodeAt(Key key, int length) {
    Node* node = &root_;
    while (node->length < length) {
      std::unique_ptr<Node>& slot = node->child[Bit(key, node->length)];
      if (slot == nullptr) {
        slot = std::make_unique<Node>();
        slot->key = key;
        slot->length = length;
        return slot.get();
      }
      const int common = Common(key, slot->key, std::min(length, slot->length));
      if (common < slot->length) {
        auto fork = std::make_unique<Node>();
        fork->key = Head(key, common);
        fork->length = common;
        fork->child[Bit(slot->key, common)] = std::move(slot);
        slot = std::move(fork);
      }
      node = slot.get();
    }
    return node;
  }

  // Clears a value below `node` and removes what is then neither value nor fork.
  static void Erase(Node* node, Key key, int length) {
    if (node->length == length) {
      node->value = Value{};
      return;
    }
    std::unique_ptr<Node>& slot = node->child[Bit(key, node->length)];
    if (slot == nullptr || slot->length > length || !Covers(*slot, key)) return;
    Erase(slot.get(), key, length);
    if (slot->value == Value{} && (slot->child[0] == nullptr || slot->child[1] == nullptr)) {
      std::unique_ptr<Node> rest = std::move(slot->child[slot->child[0] == nullptr ? 1 : 0]);
      slot = std::move(rest);
    }
  }

  template <typename Visit>
  static void Walk(const Node& node, Visit& visit) {
    if (node.value != Value{}) visit(node.value);
    for (const std::unique_ptr<Node>& child : node.child) {
      if (child != nullptr) Walk(*child, visit);
    }
  }

  Node root_;
};

}  // namespace sockbed

#endif  // SOCKBED_KERNEL_INET_PREFIX_TREE_H_

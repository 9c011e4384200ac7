// Package pair is what two Kahunas of one cloud have between them: what a node keeps of what it promised
// (data/voter.json), the key that signs the certificates of its epochs (secrets/node-key), the key that
// proves that two nodes belong together (secrets/pair-key), and the connections over which the messages
// of core/lease and snapshots go.
package pair

// Package pages verifies the structure of a bbolt file before bbolt, which trusts it, is let near it.
//
// bbolt protects two of its pages with a sum, the meta pages, and when one of the two is damaged it takes
// the other: the transaction before the last, without a word. All else it believes. A wrong reference
// makes it walk in circles until memory ends, a wrong count makes objects disappear, a wrong entry in the
// list of free pages makes it overwrite what is in use.
//
// A file is sound when both meta pages are, every element of every page stands exactly where bbolt puts
// it, keys rise across the whole of each tree, and each page is used once or free. Then any changed byte
// that bbolt would act on is noticed, and what remains are the bytes of keys and values, which carry sums
// of their own, and the bytes of what nobody reads.
//
// The layout, in the byte order of the machine (bbolt v1.4, internal/common):
//
//	page      number 8, flags 2, count 2, overflow 4, content
//	meta      magic 4, version 4, page size 4, flags 4, root page 8, sequence 8, page of the free list 8,
//	          pages 8, transaction 8, FNV-1a-64 of these 56 bytes 8
//	branch    each: position 4 (from here to the key), key size 4, page 8; then the keys
//	leaf      each: flags 4 (1: a bucket), position 4, key size 4, value size 4; then key, value, key, ...
//	bucket    as a value: root page 8, sequence 8; with root page 0 a leaf page of its own follows
//	free list the numbers of the free pages, 8 each; with 65535 as count, the first is their count
package pages

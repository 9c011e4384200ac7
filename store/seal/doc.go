// Package seal turns objects into the bytes that are stored, journalled and backed up, and back.
//
// A Value is the object's JSON, in which every secret reads as the fixed mask of model.Secret, and
// beside it the secrets, each sealed with AES-256-GCM under a random nonce and bound to its kind, id,
// version and place, so that no sealed text can be moved elsewhere. A checksum (CRC-32C) in front tells
// a rotten page from a wrong key. Secrets are therefore never in clear in a file, and whoever only needs
// the plain part of a value, such as the event stream, needs no key.
package seal

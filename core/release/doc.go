// Package release is about programs of other releases: how far two are apart, and what one may say that
// the one before it does not know.
//
// Releases one apart work together in both orders: two Kahunas, Kahuna and agents, a program and the files
// that the other one left. So what is said, and what is kept, only ever gains: a message or file may have
// members that its reader does not know and passes over, a message may be of a type that it passes over, a
// feature may be offered that it does not ask for, and a version is taken that is one higher or one lower. What must
// not be passed over raises the number of the form of its file, which the release before it then refuses.
//
// With the build tag "nextrelease" the program does all of that: it is one release ahead in what it says,
// and is what tests take for the successor of the program without the tag, in which everything here is
// nothing at all.
package release

// Package doctor looks at this machine and says whether Kowabunga will run on it, what is wrong and what
// to do about it; and it packs what is needed to help from afar into one archive without secrets.
//
// A Check answers ok, warn (it works, with a limit that is named) or fail (a role will not work). Checks
// change nothing: what has to be tried for real - a virtual machine descriptor, a bridge - is made where
// it vanishes with the file descriptor or the thread. They run one after the other, each with a deadline.
package doctor

// Package packaging is about the way from this tree to a machine: the packages that building and testing
// need (the file "packages", the script "install"), the Debian package (the program "deb", its maintainer
// scripts), and the proof that it can be installed, upgraded and removed on clean systems.
package packaging

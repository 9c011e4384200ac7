// Package seed writes NoCloud configuration disks: ISO 9660 images with Rock Ridge names and
// the volume label "cidata", by which guests find them.
//
// The same documents always give the same bytes. A disk is written aside and renamed, so that a
// machine that runs keeps the disk it started with and a crash leaves nothing half-written.
package seed

// Package model is the vocabulary of Kowabunga: one plain struct per kind of resource, and the
// interfaces through which pure code reads and changes them.
//
// Objects are values shared by many readers. Nobody mutates an object that came out of a View: clone
// it, change the clone, and replace slices and maps instead of writing into them.
//
// Sizes are bytes, prices are per month, addresses are text in canonical form, times are UTC.
package model

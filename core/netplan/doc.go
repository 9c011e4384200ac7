// Package netplan computes the whole desired states of agents from a view of everything: the bridges and
// pools of a Kaktus, the routers of a region, and the gateways and load balancers on a host, in the
// documents of package wire. It is pure: the same view gives the same bytes, so comparing them tells
// whether an agent must be told.
//
// A Plan keeps the pieces that documents are put together from: a subnet's leases, a project's names in a
// region, a node. A change drops the pieces it can concern, and only these are made again. What a Plan
// gives after any sequence of changes is what a new one gives for the same view.
//
// What cannot be planned never makes a document unusable: the entry is left out and the document's
// problems say so.
package netplan

// Package topology is the installation that the documentation describes, as objects for tests: a region
// of three zones on eleven servers, two of them routers and three in each zone hosts, with two projects
// that use everything a project can have; and a small region far away, where one of the projects is too.
package topology

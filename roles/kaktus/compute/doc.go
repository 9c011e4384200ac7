// Package compute runs virtual machines on this host's libvirt.
//
// A machine is a libvirt domain named "kb-" and its id, with the UUID agentproto.MachineUUID. Domains
// without such a UUID are somebody else's: they are counted and never touched. libvirt is reached
// through its local socket only, and the connection is made again whenever it is lost; who calls
// meanwhile waits a little and is told.
//
// libvirt's autostart stays off. This package records which machines should run, in one file each,
// before it acts, and starts those that ran and are off without anybody having stopped them: that is,
// after the host or its libvirt came up anew. A machine that its guest or an operator shut down stays
// off and the record follows.
//
// Work on one machine happens one at a time, different machines side by side. State changes are
// reported as libvirt tells them.
package compute
